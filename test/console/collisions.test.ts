/** The pages about held claims: the list, previews, release, and accounts without an address. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { allRows } from '../../tools/table-rows';
import { acct, addressOf, signup, uidOf } from '../support/events';
import { apply, brokenPromises, DEFAULTS } from '../support/stored';
import { type Answer, withConsole } from '../support/visitor';

const { data, ada } = withConsole({
  empties: true,
  context: { apply: { tokenPolicy: 'address', observes: () => true } },
});

const hold = (...events: ContactEvent[]) => applyBatch(data().db, events, { ...DEFAULTS, observes: () => true });
const key = (name: string): string => addressOf(name).key;
const pair = (u: string, a: string): string => `${uidOf(u)} ${key(a)}`;
const audit = () => data().sql('SELECT operator, command, reason, target FROM audit ORDER BY seq');
const heldPairs = async (): Promise<string[]> =>
  (
    await data().sql<{ pair: string }>(
      `SELECT DISTINCT uid || ' ' || address AS pair FROM address_claim WHERE status = 'held' ORDER BY 1`,
    )
  ).map((row) => row.pair);
const hidden = (html: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] as string;

/** A form with several fields of one name. */
async function send(action: string, fields: readonly (readonly [string, string])[]): Promise<Answer> {
  const { html } = await ada().get('/collisions');
  return ada().post(action, [['_csrf', hidden(html, '_csrf')], ...fields] as never);
}
const preview = (...pairs: string[]) =>
  send(
    '/collisions/preview',
    pairs.map((it) => ['pair', it] as const),
  );
async function release(pairs: readonly string[], more: Record<string, string> = { announce: 'yes' }): Promise<Answer> {
  const { html } = await preview(...pairs);
  const fields = { seen: hidden(html, 'seen'), reason: 'ticket 4711', ...more };
  return send('/collisions/release', [...pairs.map((it) => ['pair', it] as const), ...Object.entries(fields)]);
}
/** Three held pairs: two would merge, one would move an address from another live account. */
async function holdThree(): Promise<void> {
  await apply(data().db, signup('b', ['x'], 1), signup('c', ['x'], 1), acct('w', 'd', 1));
  await hold(acct('u', 'a', 1), acct('v', 'e', 1));
  await hold(acct('u', 'b', 2), acct('u', 'c', 3), acct('v', 'd', 4));
}

describe('the list of held claims', () => {
  it('explains when claims are held, if none is', async () => {
    const { text } = await ada().get('/collisions');
    expect(text).toContain('No claims are held. Nothing has to be decided here.');
    expect(text).toContain('MERGE_MODE is observe');
  });

  it('says how many are held, who claimed what, and who has it now', async () => {
    await holdThree();
    const { text, html } = await ada().get('/collisions');
    expect(text).toContain('3 pairs of address and account are held.');
    expect(text).toContain(`b@mail.test ${uidOf('u')} 2026-01-01 00:00 UTC , by primaryEmailChanged`);
    expect(text).toContain(`, of account ${uidOf('w')}`);
    expect(html).not.toMatch(/href="[^"]*@/);
    const ofU = await ada().get(`/collisions?account=${uidOf('u')}`);
    expect(ofU.text).toContain('2 pairs of address and account are held for this account.');
    expect(ofU.text).not.toContain('d@mail.test');
    expect(await ada().get('/collisions?account=a@b')).toMatchObject({
      status: 400,
      text: expect.stringContaining('a uid has 32 hexadecimal digits'),
    });
  });

  it('has 50 pairs on a page, and every pair on exactly one page', async () => {
    const names = Array.from({ length: 53 }, (_, i) => `p${i}`);
    await apply(data().db, ...names.map((name) => signup(name, [], 1)));
    await hold(acct('u', 'own', 1));
    await hold(...names.map((name) => acct('u', name, 2)));
    const first = await ada().get('/collisions');
    const shown = (html: string) => [...html.matchAll(/<th scope="row">([^<]+@mail\.test)</g)].map(([, it]) => it);
    const second = await send('/collisions', [['after', hidden(first.html, 'after')]]);
    const pages = [shown(first.html), shown(second.html)];
    expect([pages.map((page) => page.length), new Set(pages.flat()).size]).toEqual([[50, 3], 53]);
    expect(first.text).toContain('Preview releasing the 50 on this page');
    expect(second.text).not.toContain('Next page');
    const all = await ada().submit('/collisions', '/collisions/preview', { account: uidOf('u') });
    expect(all.text).toContain('53 merged, 0 moved, 0 without effect.');
  });

  it('shows text from outside as text', async () => {
    const evil = '<script>alert(1)</script>';
    await apply(data().db, signup('b', ['x'], 1));
    await hold(acct('u', 'a', 1));
    await hold(acct('u', 'b', 2, { trigger: { source: 'fxa', event: evil, id: evil } }));
    for (const { html } of [await ada().get('/collisions'), await preview(pair('u', 'b'))]) {
      expect(html).not.toContain('<script>alert');
    }
  });
});

describe('releasing held claims', () => {
  beforeEach(() => holdThree());

  it('shows the merge before it is confirmed, and leads to it afterwards', async () => {
    const before = await allRows(data());
    const { text } = await preview(pair('u', 'b'));
    expect(await allRows(data())).toEqual(before);
    expect(text).toContain('Merge: the two contacts are one person.');
    expect(text).toContain('newsletter x none subscribed since 2026-01-01 00:00 UTC subscribed retired');
    const { location } = await release([pair('u', 'b')]);
    expect(location).toMatch(/^\/merges\/[0-9a-f-]{36}\?done=released$/);
    const merge = await ada().get(location as string);
    expect(merge.text).toContain('The claim was released, so the two contacts were merged.');
    expect(merge.text).toMatch(/ada Released held claims ticket 4711 Done$/);
    expect(await heldPairs()).toEqual([pair('u', 'c'), pair('v', 'd')]);
    expect(await audit()).toEqual([
      {
        ...{ operator: 'ada', command: 'collisions resolve', reason: 'ticket 4711' },
        target: { pairs: [{ account_id: uidOf('u'), email: key('b') }], announce: true },
      },
    ]);
    expect(await brokenPromises(data())).toEqual([]);
  });

  it('releases a page, says what came of it, and tells the mailer nothing if so chosen', async () => {
    const pairs = [pair('u', 'b'), pair('u', 'c'), pair('v', 'd')];
    const { text } = await preview(...pairs);
    expect(text).toContain('2 merged, 1 moved, 0 without effect.');
    expect(text).toContain('Release 3 pairs');
    const { location } = await release(pairs, {});
    expect((await ada().get(location as string)).text).toContain('Released: 2 merged, 1 moved.');
    expect(await heldPairs()).toEqual([]);
    expect(await data().sql('SELECT announced FROM merge')).toEqual([{ announced: false }, { announced: false }]);
    expect(await data().sql("SELECT FROM outbox WHERE type = 'contact.merged'")).toEqual([]);
    expect(await audit()).toMatchObject([{ target: { announce: false } }]);
  });

  it('releases only what was shown, also if the account has more by now', async () => {
    const { html } = await ada().submit('/collisions', '/collisions/preview', { account: uidOf('u') });
    const shown = [...html.matchAll(/name="pair" value="([^"]+)"/g)].map(([, it]) => it as string);
    expect(shown).toEqual([pair('u', 'b'), pair('u', 'c')]);
    await apply(data().db, signup('new', [], 5));
    await hold(acct('u', 'new', 6));
    await release(shown, { account: uidOf('u') });
    expect(await heldPairs()).toEqual([pair('u', 'new'), pair('v', 'd')]);
  });

  it('is done once if the form is sent twice, and says what was released before', async () => {
    const pairs = [pair('u', 'b'), pair('u', 'c')];
    const { html } = await preview(...pairs);
    const fields = { seen: hidden(html, 'seen'), reason: 'twice', announce: 'yes' };
    const form = [...pairs.map((it) => ['pair', it] as const), ...Object.entries(fields)];
    expect((await send('/collisions/release', form)).status).toBe(303);
    const again = await send('/collisions/release', form);
    expect([again.status, again.text]).toEqual([409, expect.stringContaining('2 pairs of 2 are not held any more')]);
    expect(await audit()).toHaveLength(1);
    expect((await preview(pair('u', 'b'))).text).toContain('1 pair of 1 is not held any more');
  });

  it('needs a reason, and at least one pair that can be one', async () => {
    expect(await release([pair('u', 'b')], { reason: ' ' })).toMatchObject({ status: 400 });
    for (const fields of [[], [['pair', 'rubbish']], [['account', 'rubbish']]] as const) {
      expect(await send('/collisions/preview', fields)).toMatchObject({
        status: 400,
        text: expect.stringContaining('Choose at least one held claim.'),
      });
    }
    expect(await audit()).toEqual([]);
  });
});

describe('the accounts without an address', () => {
  it('are listed with the address they had last and the contact that has it now', async () => {
    await apply(data().db, acct('u', 'a', 1), acct('v', 'b', 1));
    await apply(data().db, acct('v', 'a', 2));
    const { text } = await ada().get('/collisions/accounts');
    expect(text).toContain('What to do');
    expect(text).toMatch(
      new RegExp(`${uidOf('u')} [0-9a-f-]{36} a@mail.test, claimed 2026-01-01 00:00 UTC [0-9a-f-]{36}`),
    );
    expect(text).not.toContain(uidOf('v'));
  });

  it('have pages by uid, also behind many accounts that have an address', async () => {
    await data().sql(`
      WITH account_rows AS (
        INSERT INTO account (uid, contact_id)
        SELECT lpad(to_hex(i), 32, '0'), gen_random_uuid() FROM generate_series(1, 2100) AS i RETURNING contact_id, uid
      )
      INSERT INTO contact (id) SELECT contact_id FROM account_rows`);
    await data().sql(
      `
      INSERT INTO email_address (address, typed, typed_at, contact_id)
      SELECT uid || '@mail.test', uid, now(), contact_id FROM account WHERE uid BETWEEN $1 AND $2`,
      [(2).toString(16).padStart(32, '0'), (2047).toString(16).padStart(32, '0')],
    );
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let path: string | undefined = '/collisions/accounts'; path; ) {
      const { html } = await ada().get(path);
      const uids = [...html.matchAll(/<th scope="row"><a href="\/merges\?account=([0-9a-f]{32})"/g)].map(
        ([, it]) => it,
      );
      seen.push(...(uids as string[]));
      sizes.push(uids.length);
      path = /href="([^"]*)" rel="next"/.exec(html)?.[1];
    }
    expect([sizes, new Set(seen).size]).toEqual([[50, 4], 54]);
  });
});
