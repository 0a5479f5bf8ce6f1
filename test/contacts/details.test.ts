/** What the view tells besides the states: the details of choices, the opt-out in force, the account, who may be mailed. */
import { describe, expect, it } from '@jest/globals';
import type { ContactEvent, NewsletterEvent } from '../../src/contacts/facts/event';
import type { Facts } from '../../src/contacts/facts/facts';
import { peopleOf } from '../../src/contacts/identity/ownership';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { type ContactView, contactView, isMailable } from '../../src/contacts/profile/contact-view';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { factsOf, MemoryStore } from '../support/memory-store';

const viewOf = (name: string, ...events: ContactEvent[]): ContactView => viewIn(factsOf(events), name);

function viewIn(facts: Facts, name: string): ContactView {
  const { key } = addressOf(name);
  const person = peopleOf(facts).find(({ uid, addresses }) => addresses.includes(key) || uid === uidOf(name));
  if (!person) throw new Error(`nobody is ${name}`);
  return contactView(facts, person);
}
const saying = (event: NewsletterEvent, details: { source?: string; reason?: string }): NewsletterEvent => ({
  ...event,
  ...details,
});
const [SITE, OTHER] = ['https://one.test/', 'https://two.test/'];

describe('the details of a newsletter', () => {
  const first = saying(signup('a', ['x'], 1, { profile: { lang: 'fr', format: 'H' } }), { source: SITE });
  const detailsOf = (...events: ContactEvent[]) => viewOf('a', ...events).newsletters.get('x')?.details;

  it('are those of the latest choice, as a whole', () => {
    expect(detailsOf(first)).toMatchObject({ source: SITE, lang: 'fr', format: 'H', reason: null, fields: null });
    const later = saying(signup('a', ['x'], 2, { profile: { lang: 'de' } }), { source: OTHER });
    expect(detailsOf(later, first)).toMatchObject({ source: OTHER, lang: 'de', format: null });
    expect(detailsOf(first, saying(unsub('a', ['x'], 3), { reason: 'too many' }))).toMatchObject({
      ...{ source: null, lang: null, format: null, reason: 'too many' },
    });
  });

  it('have what a waitlist asked for, from either side of a merge and for the next account', () => {
    const fields = new Map([['x', '{"geo":"de"}']]);
    const waiting = { ...signup('a', ['x', 'y'], 2), fields };
    const asked = (...events: ContactEvent[]) =>
      [...viewOf('a', ...events).newsletters].map(([name, { details }]) => `${name} ${details.fields}`);
    const expected = ['x {"geo":"de"}', 'y null'];
    expect(asked(waiting)).toEqual(expected);
    expect(asked(acct('u', 'b', 1), waiting, acct('u', 'a', 3))).toEqual(expected);
    expect(asked(acct('u1', 'a', 1), waiting, del('u1', 3), acct('u2', 'a', 4))).toEqual(expected);
    const elsewhere = { ...signup('a', ['x'], 3), fields: new Map([['x', '{"geo":"fr"}']]) };
    expect(asked(elsewhere, waiting)).toEqual(['x {"geo":"fr"}', 'y null']);
  });

  it('are those of the refusal at equal times; of two acts of one kind, the greater ones', () => {
    expect(detailsOf(first, saying(unsub('a', ['x'], 1), { reason: 'no' }))).toMatchObject({
      source: null,
      reason: 'no',
    });
    expect(detailsOf(first, saying(first, { source: OTHER }))).toMatchObject({ source: OTHER });
  });

  it('stay while an opt-out ends the subscription', () => {
    expect(detailsOf(first, optout('a', 2))).toMatchObject({ source: SITE, reason: null });
  });

  it('are the account’s for a refusal by token, which is recorded without them at each mailbox', () => {
    const store = new MemoryStore();
    store.apply([acct('u', 'a', 1), signup('a', ['x'], 2)]);
    const token = store.liveToken(store.addressRows.get(addressOf('a').key) as string) as string;
    store.apply([saying(unsub({ token }, ['x'], 3), { reason: 'by link' })]);
    expect(viewIn(store.facts, 'a').newsletters.get('x')?.details.reason).toBe('by link');
  });
});

describe('a pending subscription', () => {
  const byOf = (...events: ContactEvent[]) => viewOf('a', ...events).newsletters.get('x')?.by;

  it('is one that was made without proof while opted out, and not confirmed since', () => {
    expect(byOf(optout('a', 1), signup('a', ['x'], 2))).toBe('unconfirmed');
    expect(byOf(optout('a', 1), signup('a', ['x'], 2), confirm('a', 3))).toBe('confirmation');
    expect(byOf(optout('a', 1), signup('a', ['x'], 2), unsub('a', ['x'], 3))).toBe('choice');
    expect(byOf(signup('a', ['x'], 1), optout('a', 2))).toBe('opt_out');
  });
});

describe('the opt-out in force', () => {
  const out = (t: number, reason: string) => saying(optout('a', t), { reason });

  it('is the latest one, with its reason, until a proof lifts it', () => {
    expect(viewOf('a', signup('a', ['x'], 1)).optOut).toBeNull();
    expect(viewOf('a', out(2, 'second'), out(1, 'first')).optOut).toEqual({ at: at(2), reason: 'second' });
    expect(viewOf('a', out(1, 'first'), confirm('a', 2)).optOut).toBeNull();
    expect(viewOf('a', optout('a', 1)).optOut).toEqual({ at: at(1), reason: null });
  });

  it('follows its person to the next account, with its reason', () => {
    const events = [acct('u1', 'a', 1), out(2, 'enough'), del('u1', 3), acct('u2', 'a', 4)];
    expect(viewOf('a', ...events).optOut).toEqual({ at: at(2), reason: 'enough' });
  });

  it('has no reason where another person made it while a merge stood that was undone', () => {
    const store = new MemoryStore();
    store.apply([signup('a', ['x'], 1), acct('u', 'b', 2)]);
    store.apply([acct('u', 'a', 3)]);
    store.apply([saying(optout('b', 4), { reason: 'of the other' })]);
    store.apply([store.undoOf(store.merges[0] as MergePlan, at(5))]);
    expect([viewIn(store.facts, 'a').optOut, viewIn(store.facts, 'b').optOut]).toEqual([
      { at: at(4), reason: null },
      { at: at(4), reason: 'of the other' },
    ]);
  });
});

describe('the profile of an account', () => {
  const claim = acct('u', 'a', 5, { locale: 'fr-FR,fr;q=0.9', service: 'sync', createdAt: at(4) });

  it('has its locale as it came, its first service, and when it was created, while it is live', () => {
    const profile = { createdAt: at(4), firstService: 'sync', locale: 'fr-FR,fr;q=0.9' };
    expect(viewOf('a', claim, acct('u', 'a', 6, { service: 'relay' })).accountProfile).toEqual(profile);
    expect(viewOf('a', acct('u', 'a', 5)).accountProfile).toEqual({
      createdAt: null,
      firstService: null,
      locale: null,
    });
    expect(viewOf('a', claim, del('u', 6)).accountProfile).toBeNull();
    expect(viewOf('a', signup('a', [], 1)).accountProfile).toBeNull();
  });
});

describe('a contact', () => {
  it('is mailable with an address, a proof, and no opt-out', () => {
    const isMailableWith = (name: string, ...events: ContactEvent[]) => isMailable(viewOf(name, ...events));
    expect(isMailableWith('a', signup('a', ['x'], 1))).toBe(false);
    expect(isMailableWith('a', signup('a', ['x'], 1), confirm('a', 2))).toBe(true);
    expect(isMailableWith('a', acct('u', 'a', 1))).toBe(true);
    expect(isMailableWith('a', acct('u', 'a', 1), optout('a', 2))).toBe(false);
    expect(isMailableWith('u1', acct('u1', 'a', 1), acct('u2', 'a', 2))).toBe(false);
  });
});
