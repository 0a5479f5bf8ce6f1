/** The mails of the example mailer, by message. */
import { describe, expect, it } from '@jest/globals';
import { type Mail, mailsFor, UnknownVersionError } from '../../examples/mailer/mails';
import { CONTACT_MESSAGES } from '../../tools/contracts/catalogue';

const SITE = { preferences: 'https://site.test/preferences/', staff: 'staff@site.test' };

type Body = Record<string, never>;
const exampleOf = (type: string) =>
  structuredClone(CONTACT_MESSAGES.find(({ name }) => name === type)?.examples[0]?.payload) as Body;

interface Told {
  version?: number;
  isToldByMerge?: boolean;
}
const mails = (type: string, body: object, { version = 2, isToldByMerge = false }: Told = {}): Mail[] =>
  mailsFor({ id: 'id', type, version, body }, SITE, isToldByMerge);
const receivers = (...args: Parameters<typeof mails>): string[] => mails(...args).map(({ to }) => to);

/** A contact as version 1 has it. */
function firstVersion<T extends object>(contact: T) {
  const { first_name, country, account_profile, double_opt_in, mailable, ...rest } = contact as Record<string, unknown>;
  return rest;
}

describe('the example mailer', () => {
  it('says in words that readers understand that a mistaken merge was undone', () => {
    const [mail] = mails('contact.unmerged', exampleOf('contact.unmerged'));
    expect(mail).toMatchObject({ to: 'Ada.L@mail.test', subject: 'Your subscriptions are as they were' });
    expect(mail?.text).toMatch(
      /^Hello,\n\nWe merged your record with another one by mistake\. We have undone that\.\n/,
    );
    expect(mail?.text).toContain('https://site.test/preferences/5c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11');
  });

  it('tells of a merge what came, what ended, which addresses it knows, and where to change it', () => {
    const [mail, ...others] = mails('contact.merged', exampleOf('contact.merged'));
    expect([mail?.to, others]).toEqual(['New.Name@mail.test', []]);
    expect(mail?.text.split('\n\n')).toEqual([
      'Hello Ada,',
      'We had two records of you. They are one now, with one preference centre.',
      'We write to you at New.Name@mail.test.',
      'We also know you by Ada.L@mail.test.',
      'Your newsletters: privacy-weekly.',
      'From your other record: privacy-weekly.',
      'You had unsubscribed from these in one of your records, so they have ended: offers.',
      'Change your newsletters here: https://site.test/preferences/4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11\n',
    ]);
  });

  it('writes to nobody who is not mailable, in any message', () => {
    for (const { name, examples } of CONTACT_MESSAGES) {
      const text = JSON.stringify(examples[0]?.payload).replaceAll('"mailable":true', '"mailable":false');
      const allowed = name === 'contact.review_needed' ? [SITE.staff] : [];
      expect([name, receivers(name, JSON.parse(text))]).toEqual([name, allowed]);
    }
  });

  it('tells a new address once: in the mail about the merge, or in one of its own', () => {
    const changed = exampleOf('contact.email_changed');
    expect(receivers('contact.email_changed', changed)).toEqual(['New.Name@mail.test', 'Ada.L@mail.test']);
    expect(receivers('contact.email_changed', { ...changed, merge_id: 'a merge' })).toEqual(['Ada.L@mail.test']);
  });

  it('gives the former mailbox no link and no new address, and does not write to it once it may be another person’s', () => {
    const changed = exampleOf('contact.email_changed');
    const [, former] = mails('contact.email_changed', changed);
    expect(former?.text).not.toMatch(/New\.Name|preferences/);
    expect(receivers('contact.email_changed', { ...changed, former_addresses: [] })).toEqual(['New.Name@mail.test']);
    expect(receivers('contact.email_changed', { ...changed, former_email: null })).toEqual(['New.Name@mail.test']);
  });

  it('sends nothing for a sign-up that a site has to have confirmed, nor for types that it does not know', () => {
    expect(mails('contact.confirmation_needed', exampleOf('contact.confirmation_needed'))).toEqual([]);
    expect(mails('contact.invented_later', { anything: true })).toEqual([]);
  });

  it('does not guess what a schema version means that it does not know', () => {
    const body = exampleOf('contact.merged');
    expect(() => mails('contact.merged', body, { version: 3 })).toThrow(UnknownVersionError);
  });
});

describe('of schema version 1, the example mailer', () => {
  const merged = () => {
    const { newsletters_ended, ...body } = exampleOf('contact.merged') as Record<string, object>;
    return { ...body, survivor: firstVersion(body.survivor as object) };
  };
  const changed = () => {
    const { former_addresses, newsletters, merge_id, ...body } = exampleOf('contact.email_changed') as Record<
      string,
      object
    >;
    return { ...body, contact: firstVersion(body.contact as object) };
  };

  it('writes to contacts that have an account, because only these are sure to be confirmed', () => {
    const v1 = { version: 1 };
    expect(receivers('contact.merged', merged(), v1)).toEqual(['New.Name@mail.test']);
    const unmerged = exampleOf('contact.unmerged') as Record<string, object>;
    const sides = {
      survivor: firstVersion(unmerged.survivor as object),
      restored: firstVersion(unmerged.restored as object),
    };
    expect(receivers('contact.unmerged', { ...unmerged, ...sides }, v1)).toEqual(['Ada.L@mail.test']);
    const optedOut = { ...merged(), survivor: { ...merged().survivor, opted_out: true } };
    expect(receivers('contact.merged', optedOut, v1)).toEqual([]);
  });

  it('tells a new address unless a mail about the merge has, and leaves the former mailbox alone', () => {
    expect(receivers('contact.email_changed', changed(), { version: 1 })).toEqual(['New.Name@mail.test']);
    expect(receivers('contact.email_changed', changed(), { version: 1, isToldByMerge: true })).toEqual([]);
  });
});
