/** What staff see of a reader. */
import { describe, expect, it } from '@jest/globals';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { unblockClaims, undoMerge } from '../../src/operations/merges/run';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { onecontact } from '../support/command-line';
import { acct, addressOf, because, confirm, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { apply, DEFAULTS, mergedPair } from '../support/stored';
import { type Answer, withConsole } from '../support/visitor';

const GRACE = { operator: 'grace', reason: 'ticket 17' };
const EVIL = `<script>alert(1)</script>"'&\u202egnp`;

const { data, ada } = withConsole();

const idOf = async (name: string): Promise<string> =>
  (await findContact(data().db, { by: 'email', address: addressOf(name).key }))?.id as string;
const page = async (name: string): Promise<Answer> => ada().get(`/contacts/${await idOf(name)}`);

describe('the page of a reader', () => {
  it('shows who it is, the addresses, the newsletters with their reasons, and each choice in plain words', async () => {
    await apply(
      data().db,
      {
        ...signup('eve', ['news', 'offers'], 1, {
          profile: { firstName: 'Eve', lang: 'fr', country: 'fr', format: 'T' },
        }),
        source: 'https://site.test/',
      },
      acct('eve', 'eve', 2, { newsletters: ['in-account'], locale: 'fr-FR', service: 'sync' }),
      acct('eve', 'eve-new', 3),
      unsub('eve-new', ['news'], 4),
    );
    await apply(data().db, unsub('eve', ['news'], 5), because('eve', 'too many', ['news'], 6));
    const { status, text, html } = await page('eve-new');
    expect(status).toBe(200);
    for (const part of [
      'Name Eve Language fr Country fr Format of mails plain text',
      `Account ${uidOf('eve')}`,
      'First used for sync Locale of the account fr-FR',
      'eve-new@mail.test yes: the primary address yes, by the account',
      'Yes. The newsletters that are subscribed to are sent to eve-new@mail.test',
      'in-account subscribed 2026-01-01 00:00 UTC The reader signed up.',
      'news unsubscribed 2026-01-01 00:00 UTC The reader left it.',
      'reason: too many',
      'signed up: news No: superseded by a later choice eve@mail.test https://site.test/',
      'signed up, with proof: in-account Yes: latest choice for this newsletter in account',
      'said why, about: news Yes: reason given for a refusal',
      'This reader was never merged',
      'None waits to be sent',
      'No entry names this reader',
    ])
      expect(text).toContain(part);
    // The newest first.
    expect(text.indexOf('said why, about: news')).toBeLessThan(text.indexOf('signed up: news'));
    // Not even in the title, which browsers remember.
    expect(/<title>(.*)<\/title>/.exec(html)?.[1]).toBe('Reader · OneContact');
  });

  it('says why mails stopped: an opt-out of the reader or of staff, no confirmation, no address', async () => {
    await apply(
      data().db,
      confirm('stop', 0),
      signup('stop', ['x', 'y'], 1),
      optout('stop', 2),
      signup('stop', ['y'], 3),
    );
    const { text } = await page('stop');
    expect(text).toContain('No. This reader cannot be mailed, because: The reader opted out of all email on 2026');
    expect(text).toContain('and the opt-out of all email ended it');
    expect(text).toContain('after opting out of all email. It waits until the reader confirms it.');
    await onecontact(['opt-out', 'stopped@mail.test', '--reason', 'by letter'], { DATABASE_URL: data().url });
    const byStaff = (await page('stopped')).text;
    expect(byStaff).toContain('Staff opted the reader out of all email on');
    expect(byStaff).toContain('with the reason “by letter”');
    expect(byStaff).toContain('support staff');
    expect(byStaff).toContain('No address is confirmed');
    // Staff see who did it.
    expect(byStaff).toContain('Opted a reader out by letter Done');

    await apply(data().db, acct('bare', 'bare', 1), acct('taker', 'taker', 1));
    await apply(data().db, acct('taker', 'bare', 2));
    const bare = await findContact(data().db, { by: 'account', uid: uidOf('bare') });
    expect((await ada().get(`/contacts/${bare?.id}`)).text).toContain('The account has no address');
  });

  it('says of the opt-out of another person during a merge that was undone no more than that', async () => {
    const { id, retiredId } = await mergedPair(data().db, 'una');
    await apply(data().db, { ...optout('una', 4), reason: 'my secret' });
    await data().sql(`UPDATE merge SET trigger_at = '2026-01-01' WHERE id = $1`, [id]);
    await undoMerge(data().db, id, GRACE, DEFAULTS);
    const { text } = await ada().get(`/contacts/${retiredId}`);
    expect(text).toContain('An opt-out that was made while this reader was merged with another one counts for both');
    expect(text).not.toContain('my secret');
    expect(text).toContain('undone on');
    expect(text).toContain('ticket 17');
  });

  it('shows claims that would merge two readers: held claims, and claims that an undo has blocked', async () => {
    await applyBatch(data().db, [signup('twin', ['x'], 1), acct('twin', 'twin-own', 2), acct('twin', 'twin', 3)], {
      ...DEFAULTS,
      observes: () => true,
    });
    const [lone, own] = [await idOf('twin'), await idOf('twin-own')];
    for (const id of [lone, own]) {
      const { text, html } = await ada().get(`/contacts/${id}`);
      expect(text).toContain('A person who gets a mail at two addresses is two readers here');
      expect(text).toContain(`(reader ${own} ) owns twin@mail.test , which reader ${lone} has`);
      expect(text).toContain('waits for a decision');
      expect(html).toContain(`href="/collisions?account=${uidOf('twin')}"`);
    }
    const { id, survivorId, retiredId } = await mergedPair(data().db, 'bea');
    await undoMerge(data().db, id, GRACE, DEFAULTS);
    for (const contact of [survivorId, retiredId]) {
      expect((await ada().get(`/contacts/${contact}`)).text).toMatch(
        new RegExp(`it does not count, because merge ${id} was undone`),
      );
    }
    await unblockClaims(data().db, { uid: uidOf('bea'), address: addressOf('bea-lone').key }, GRACE, DEFAULTS);
    expect((await ada().get(`/contacts/${survivorId}`)).text).not.toContain('it does not count, because');
  });

  it('says of each merge whether other systems were told, as far as it is known', async () => {
    const { survivorId } = await mergedPair(data().db, 'tell');
    const told = async () => (await ada().get(`/contacts/${survivorId}`)).text;
    expect(await told()).toContain('contact.merged (two readers became one) has been waiting to be sent since');
    expect(await told()).toContain('Not sent yet. Merge of');
    await data().sql('DELETE FROM outbox WHERE contact_id = $1', [survivorId]);
    expect(await told()).toContain('Sent to other systems. Merge of');
    await data().sql('UPDATE merge SET announced = false WHERE survivor_id = $1', [survivorId]);
    expect(await told()).toContain('Not announced: other systems had not heard of the other reader');
  });

  it('shows the newest 20 merges, and leads to all of the account', async () => {
    await apply(data().db, acct('many', 'many', 1));
    for (let i = 0; i < 21; i++) await apply(data().db, signup(`many${i}`, ['x'], 1));
    for (let i = 0; i < 21; i++) await apply(data().db, acct('many', `many${i}`, 2 + i));
    const { text, html } = await page('many');
    const listed = [...text.matchAll(/became part of this one (many\d+)@/g)].map(([, name]) => name);
    expect(listed).toEqual(Array.from({ length: 20 }, (_, i) => `many${20 - i}`));
    expect(html).toContain(`href="/merges?account=${uidOf('many')}"`);
  });

  it('shows the newest 100 choices, and leads to all of them', async () => {
    await apply(data().db, ...Array.from({ length: 101 }, (_, i) => signup('keen', [`n${i}`], i)));
    const id = await idOf('keen');
    const { text, html } = await ada().get(`/contacts/${id}`);
    expect(text.match(/signed up: n\d+ Yes/g)).toHaveLength(100);
    expect(text).not.toContain('signed up: n0 Yes');
    expect(text).toContain('These are the newest 100 of 101');
    expect(html).toContain(`href="/contacts/${id}/consent"`);
    const all = (await ada().get(`/contacts/${id}/consent`)).text;
    expect(all.match(/signed up: n\d+ Yes/g)).toHaveLength(101);
  });

  it('runs no text from outside, and makes marks that reorder text visible', async () => {
    const profile = { firstName: EVIL, lastName: EVIL, lang: 'en', country: EVIL, format: 'H' as const };
    const from = { source: EVIL, fields: new Map([['evil', JSON.stringify(EVIL)]]) };
    await apply(
      data().db,
      acct('evil', 'evil', 1, { locale: EVIL, service: EVIL, newsletters: [EVIL] }),
      { ...signup('evil', [EVIL], 2, { profile }), ...from },
      { ...optout('evil', 3), reason: EVIL },
      exactly('evil', [EVIL], 4),
    );
    await onecontact(['opt-out', 'evil@mail.test', '--reason', EVIL], { DATABASE_URL: data().url, OPERATOR: EVIL });
    const id = await idOf('evil');
    for (const path of ['', '/consent', '/opt-out', '/erase']) {
      const { status, html, text } = await ada().get(`/contacts/${id}${path}`);
      expect([path, status]).toEqual([path, 200]);
      expect(html).not.toMatch(/<script>|\u202e/);
      if (path === '' || path === '/consent') expect(text).toContain('<script>alert(1)</script>');
    }
  });
});
