/** `onecontact merges`: list, show, preview, undo and unblock. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { findHistory } from '../../../src/postgres/tables/merge';
import { allRows, keepRows } from '../../../tools/table-rows';
import { confirmed, onecontact, terminal } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../../support/events';
import { apply, brokenPromises, canonicalExportOf } from '../../support/stored';

let data: TestDatabase;
let empty: () => Promise<void>;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(() => empty());
afterAll(() => data?.drop());

const merges = (...args: string[]) => onecontact(confirmed(['merges', ...args]), { DATABASE_URL: data.url });
const onWideTerminal = (...args: string[]) =>
  onecontact(['merges', ...args], { DATABASE_URL: data.url }, undefined, true, 200);
const json = async (...args: string[]) => JSON.parse((await merges(...args, '--json')).out);
const receive = async (...events: ContactEvent[]): Promise<void> => {
  for (const event of events) await apply(data.db, event);
};
const oneLine = (text: string): string => text.replace(/\s+/g, ' ');
const key = (name: string): string => addressOf(name).key;
const iso = (t: number): string => new Date(at(t)).toISOString();
const idOf = async (n = 0): Promise<string> =>
  (await data.sql<{ id: string }>('SELECT id FROM merge ORDER BY seq DESC OFFSET $1 LIMIT 1', [n]))[0]?.id as string;
const contactAt = async (name: string): Promise<{ id: string; token: string }> =>
  (
    await data.sql<{ id: string; token: string }>(
      `SELECT contact_id AS id, token FROM email_address JOIN basket_token USING (contact_id)
       WHERE address = $1 AND state = 'live'`,
      [key(name)],
    )
  )[0] as { id: string; token: string };

/** Runs a command and checks that it changes no row. */
async function withoutChange<T>(work: () => Promise<T>): Promise<T> {
  const before = await allRows(data);
  const result = await work();
  expect(await allRows(data)).toEqual(before);
  return result;
}

const OLDER = 'There are older merges: --limit shows more.';
const ADA = { firstName: 'Ada', lang: 'fr' };
const MERGED = [
  acct('u', 'a', 1, { locale: 'de' }),
  signup('b', ['x', 'z'], 2, { profile: ADA }),
  unsub('a', ['x'], 3),
  optout('a', 3),
  confirm('b', 4),
  acct('u', 'b', 5),
];

describe('merges list', () => {
  beforeEach(async () => {
    await receive(...MERGED, acct('v', 'c', 1), signup('d', [], 1), acct('v', 'd', 2));
    await merges('undo', await idOf(1));
  });

  it('lists the newest merges first, as a table and as JSON', async () => {
    const { out, code } = await onWideTerminal('list');
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.replace(/^[0-9a-f-]{36} {2}[-0-9]{10} [0-9:]{8}/, '#'))).toEqual([
      expect.stringMatching(/^merge +merged \(UTC\) +reason +account +addresses$/),
      `#  claim          ${uidOf('v')}  d@mail.test`,
      `#  claim, undone  ${uidOf('u')}  b@mail.test`,
      '',
    ]);
    const lines = (await merges('list', '--json')).out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        merge_id: await idOf(0),
        undone_at: null,
        survivor: { account_id: uidOf('v') },
        retired: { addresses: [key('d')] },
      },
      { merge_id: await idOf(1), undone_at: expect.stringMatching(/Z$/), trigger: { event_time: iso(5) } },
    ]);
  });

  it('shows a block for each merge where the table would be wider than the terminal', async () => {
    const { out } = await merges('list');
    const blocks = out.split('\n\n').map((block) =>
      block
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^merge .*/, 'merge')),
    );
    const time = expect.stringMatching(/^ {2}merged \(UTC\) {2}20[-0-9]{8} [0-9:]{8}$/);
    expect(blocks).toEqual([
      ['merge', time, '  reason        claim', `  account       ${uidOf('v')}`, '  addresses     d@mail.test'],
      ['merge', time, '  reason        claim, undone', `  account       ${uidOf('u')}`, '  addresses     b@mail.test'],
    ]);
  });

  it('filters by number, by an account on either side, and by undone merges', async () => {
    await receive(del('v', 3), acct('w', 'e', 4), acct('w', 'c', 5), acct('w', 'd', 5));
    expect((await merges('list', '--json', '--limit', '1')).out.split('\n')).toHaveLength(2);
    expect((await onWideTerminal('list', '--limit', '1')).out.split('\n').slice(2)).toEqual([OLDER, '']);
    expect((await merges('list')).out).not.toContain(OLDER);
    const of = async (...args: string[]) =>
      (await merges('list', '--json', ...args)).out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).survivor.account_id);
    expect(await of('--account', uidOf('v').toUpperCase())).toEqual([uidOf('w'), uidOf('v')]);
    expect(await of('--undone')).toEqual([uidOf('u')]);
    expect(await of('--undone', '--account', uidOf('v'))).toEqual([]);
    expect((await merges('list', '--account', uidOf('nobody'))).out).toBe('No merges found.\n');
  });
});

describe('merges show', () => {
  it('explains as text why the contacts were merged, which values won or lost and which token stayed', async () => {
    await receive(...MERGED.slice(0, -1));
    const [own, lone] = [await contactAt('a'), await contactAt('b')];
    await receive(...MERGED.slice(-1));
    const { out, code } = await withoutChange(async () => onWideTerminal('show', await idOf()));
    expect(code).toBe(0);
    const cells = (line: string): string[] => line.split(/ {2,}/);
    expect(out.split('\n').map(cells)).toEqual(
      [
        `Merge ${await idOf()}, ${(await json('show', await idOf())).merged_at.slice(0, 19).replace('T', ' ')} UTC`,
        'by primaryEmailChanged of 2026-01-01 00:00:05',
        '(fxa, id primaryEmailChanged|u|b|5)',
        '',
        `Account ${uidOf('u')} proves that it owns b@mail.test, which belonged to no account.`,
        '',
        `survivor  contact ${own.id}`,
        `retired  contact ${lone.id}, answers 404`,
        `token  ${lone.token} stays: the retired contact had the account's primary address, and mail there carries this token (policy address)`,
        `  ${own.token} answers 404`,
        '',
        '  survivor had  retired had  now  why',
        'primary address  a@mail.test (2026-01-01 00:00:01)  b@mail.test (2026-01-01 00:00:05)  b@mail.test  claimed later',
        'first name  -  Ada (2026-01-01 00:00:02)  Ada  only the retired had it',
        "language  de (2026-01-01 00:00:01)  fr (2026-01-01 00:00:02)  fr  the reader's own value wins over the account's",
        "newsletter x  unsubscribed (2026-01-01 00:00:03)  subscribed (2026-01-01 00:00:02)  unsubscribed  the survivor's is later",
        'newsletter z  -  subscribed (2026-01-01 00:00:02)  unsubscribed  ended by an opt-out of the survivor',
        'opted out  yes  -  -  the opt-out was lifted by a proof of the retired',
        '',
        'Announced by contact.merged. Its message id is the id of the merge.',
        'Not undone. To see what an undo would do:',
        `  onecontact merges undo ${await idOf()} --dry-run`,
        '',
      ].map(cells),
    );
  });

  it('explains a merge within 80 columns, with a block for each value', async () => {
    await receive(...MERGED);
    const { out } = await merges('show', await idOf());
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(out).toContain(
      `
language
  survivor had  de (2026-01-01 00:00:01)
  retired had   fr (2026-01-01 00:00:02)
  now           fr
  why           the reader's own value wins over the account's
`,
    );
  });

  it('gives the same as JSON, with every value before and after', async () => {
    await receive(...MERGED);
    const body = await json('show', (await idOf()).toUpperCase());
    expect(body).toMatchObject({
      merge_id: await idOf(),
      undone_at: null,
      reason: 'claim',
      trigger: { source: 'fxa', event: 'primaryEmailChanged', event_time: iso(5) },
      survivor: { account_id: uidOf('u') },
      retired: { account_id: null, addresses: [key('b')] },
      token: { policy: 'address', reason: 'held_primary_address', side: 'retired' },
      announced: true,
      survivor_state: 'live',
      retired_state: 'merged',
      blocked_addresses: [],
    });
    expect(body.explanation.fields.lang).toEqual({
      survivor: { value: 'de', at: iso(1) },
      retired: { value: 'fr', at: iso(2) },
      after: { value: 'fr', at: iso(2) },
      won: 'retired',
      why: 'reader',
    });
    expect(body.explanation.newsletters.z.after).toEqual({ state: 'unsubscribed', since: iso(3) });
    expect(body.explanation.opted_out).toEqual({
      survivor: true,
      retired: null,
      after: null,
      won: 'retired',
      why: 'proven',
    });
  });

  it('shows an undone merge, one whose survivor was merged later, and one without an explanation', async () => {
    await receive(...MERGED, del('u', 6), acct('v', 'c', 7), acct('v', 'a', 8), acct('v', 'b', 8));
    const [second, first] = [await idOf(0), await idOf(1)];
    expect((await merges('show', first)).out).toContain('\nThe survivor has since been merged into contact\n');
    await merges('undo', second);
    expect((await merges('show', second)).out).toMatch(
      /\nUndone 20[-0-9]{8} [0-9:]{8}: the retired contact is live again, and each contact\nhas the token it had\.\nThe account's claims on b@mail\.test do not count until `onecontact merges\nunblock`\.\n$/,
    );
    await data.sql('UPDATE merge SET explanation = NULL');
    expect((await merges('show', first)).out).toContain('\nThe explanation of the values was removed by a purge.\n');
    expect((await json('show', first)).explanation).toBeNull();
  });

  it('prints no control characters from newsletter names and profiles', async () => {
    await receive(
      acct('u', 'a', 1),
      signup('b', ['\u001b[2J'], 2, { profile: { firstName: '\u001b[31m' } }),
      acct('u', 'b', 3),
    );
    expect((await merges('show', await idOf())).out).not.toContain('\u001b');
  });
});

describe('merges preview', () => {
  const preview = (uid: string, address: string, env: NodeJS.ProcessEnv = {}) =>
    withoutChange(async () => {
      const ask = (...args: string[]) =>
        onecontact(['merges', 'preview', uidOf(uid), address, ...args], { DATABASE_URL: data.url, ...env });
      const [text, body] = [await ask(), await ask('--json')];
      expect([text.code, text.err]).toEqual([0, '']);
      return { text: text.out, body: JSON.parse(body.out) };
    });

  it('shows exactly the merge that the claim then causes', async () => {
    await receive(...MERGED.slice(0, -1));
    const { text, body } = await preview('u', ' B@Mail.Test ');
    expect(text).toMatch(new RegExp(`^If account ${uidOf('u')} claimed b@mail\\.test now:\n\nMerge: `));
    expect(text).toMatch(
      /\nlanguage\n[\s\S]* the reader's own value wins over the account's\n[\s\S]*\nNothing was changed\.\n$/,
    );
    await apply(data.db, { ...acct('u', 'b', 0), at: Date.now() });
    const { reason, survivor, retired, token, explanation } = await json('show', await idOf());
    expect(body).toMatchObject({ account_id: uidOf('u'), address: key('b'), outcome: 'merged' });
    expect(body.merge).toMatchObject({ reason, survivor, retired, token });
    expect(body.merge.explanation).toEqual({
      ...explanation,
      primary: { ...explanation.primary, retired: expect.anything(), after: expect.anything() },
    });
  });

  it('uses the token policy', async () => {
    await receive(...MERGED.slice(0, -1));
    const { body } = await preview('u', 'b@mail.test', { TOKEN_POLICY: 'account' });
    expect(body.merge.token).toMatchObject({
      policy: 'account',
      reason: 'survivor',
      kept: (await contactAt('a')).token,
    });
  });

  it('shows a move from another live account, which is left without an address', async () => {
    await receive(acct('u', 'a', 1), acct('v', 'b', 1));
    const { text, body } = await preview('u', 'b@mail.test');
    const [from, to] = [await contactAt('b'), await contactAt('a')];
    expect(body).toMatchObject({ outcome: 'moved', from_contact: from.id, to_contact: to.id, closes: false });
    expect(oneLine(text)).toContain(`Account ${uidOf('v')} is left without an address, and is listed for review.`);
  });

  it('shows the merge with a contact whose account was deleted', async () => {
    await receive(acct('w', 'b', 1), acct('v', 'b', 2), del('v', 8), acct('u', 'a', 9), acct('w', 'c', 3));
    // u inherits from v, which is deleted; w was a different person.
    expect((await preview('u', 'b@mail.test')).body).toMatchObject({ outcome: 'merged' });
    await receive(del('w', 9));
    const { body, text } = await preview('u', 'c@mail.test');
    expect([body.outcome, text]).toEqual(['merged', expect.stringContaining('re-created')]);
  });

  it.each([
    ['has no contact and claims a lone address', 'nobody', 'lone', { outcome: 'joined' }, 'Its id and token stay.'],
    ['claims an unknown address', 'u', 'new', { outcome: 'added' }, 'It goes to contact '],
    [
      'is unknown and claims an unknown address',
      'nobody',
      'new',
      { outcome: 'added', to_contact: null },
      'It goes to a new contact.',
    ],
    [
      'is unknown and claims an address of another account',
      'nobody',
      'a',
      { outcome: 'moved', to_contact: null },
      'to a new contact.',
    ],
    ['has the address already', 'u', 'a', { outcome: 'kept' }, ' already.'],
    ['is deleted and claims a lone address', 'gone', 'lone', { outcome: 'not_taken' }, 'this account is deleted'],
  ])('shows the outcome for an account that %s', async (_, uid, address, wanted, sentence) => {
    await receive(acct('u', 'a', 1), signup('lone', ['x'], 1), acct('gone', 'g', 1), del('gone', 2));
    const { text, body } = await preview(uid, `${address}@mail.test`);
    expect(body).toMatchObject(wanted);
    expect(oneLine(text)).toContain(sentence);
  });

  it('shows that a claim would be held, and what releasing it would do', async () => {
    await receive(...MERGED.slice(0, -1));
    const { text, body } = await preview('u', 'b@mail.test', { MERGE_MODE: 'observe' });
    expect(body).toMatchObject({ outcome: 'held', released: { outcome: 'merged', merge: { reason: 'claim' } } });
    expect(text).toMatch(/\nHeld: .*\n\nOnce `onecontact collisions resolve` releases the claim:\n\nMerge: /);
  });

  it('shows that a claim is blocked after an undo', async () => {
    await receive(...MERGED);
    await merges('undo', await idOf());
    const { text, body } = await preview('u', 'b@mail.test');
    expect([body.outcome, text]).toEqual(['blocked', expect.stringContaining('merges unblock')]);
  });
});

describe('merges undo', () => {
  it('restores both sides, and says the second time that it was undone before', async () => {
    await receive(...MERGED.slice(0, -1));
    const before = [await canonicalExportOf(data.db), await contactAt('a'), await contactAt('b')];
    await receive(...MERGED.slice(-1));
    const id = await idOf();
    const { out, code } = await merges('undo', id);
    expect([code, out.split('\n')[0]]).toEqual([0, 'The merge is undone.']);
    expect([await canonicalExportOf(data.db), await contactAt('a'), await contactAt('b')]).toEqual(before);
    expect(await brokenPromises(data)).toEqual([]);
    expect(await data.sql('SELECT type FROM outbox ORDER BY seq DESC LIMIT 2')).toEqual(
      expect.arrayContaining([{ type: 'contact.unmerged' }]),
    );
    const again = await withoutChange(() => merges('undo', id));
    expect(again).toEqual({ code: 0, out: 'The merge was undone before: nothing to do.\n', err: '' });
    expect(await json('undo', id)).toEqual({ merge_id: id, result: 'already_undone', dry_run: false });
  });

  it('answers the same with --dry-run and changes nothing', async () => {
    await receive(...MERGED);
    const id = await idOf();
    const { out } = await withoutChange(() => merges('undo', id, '--dry-run'));
    expect(out).toMatch(
      /^Dry run: the merge can be undone\. Nothing was changed\.\nContact [0-9a-f-]{36} is live again, with b@mail\.test and\ntoken /,
    );
    const dry = await withoutChange(() => json('undo', id, '--dry-run'));
    expect({ ...dry, dry_run: false }).toEqual(await json('undo', id));
    expect(dry.restored).toEqual({
      contact_id: (await contactAt('b')).id,
      basket_token: (await contactAt('b')).token,
      addresses: [key('b')],
    });
    expect(dry.survivor).toEqual({ contact_id: (await contactAt('a')).id, basket_token: (await contactAt('a')).token });
  });

  it('asks on a terminal, after it has shown what undoing does, and needs --yes elsewhere', async () => {
    await receive(...MERGED);
    const id = await idOf();
    const undo = (stdin: Parameters<typeof onecontact>[2]) =>
      onecontact(['merges', 'undo', id], { DATABASE_URL: data.url }, stdin);
    expect(await withoutChange(() => undo(undefined))).toEqual({
      ...{ code: 2, out: '' },
      err: expect.stringMatching(/^error: confirm with --yes, /),
    });
    expect(await withoutChange(() => undo(terminal('no')))).toEqual({
      ...{ code: 1, out: '' },
      err: expect.stringMatching(
        /^Dry run: the merge can be undone\. Nothing was changed\.\n(.+\n){7}Undo it\? \[y\/N\] onecontact: Not confirmed: nothing was changed\.\n$/,
      ),
    });
    expect((await undo(terminal('y'))).out).toMatch(/^The merge is undone\.\n/);
    expect(await undo(terminal())).toMatchObject({
      code: 0,
      out: 'The merge was undone before: nothing to do.\n',
      err: '',
    });
  });

  it('refuses a merge that a later one depends on, and says to undo that first', async () => {
    await receive(...MERGED, signup('c', [], 6), acct('u', 'c', 7));
    const [second, first] = [await idOf(0), await idOf(1)];
    const { code, out, err } = await withoutChange(() => merges('undo', first));
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe(
      'onecontact: The merge cannot be undone: a later merge depends on it, or another account has one of its ' +
        'addresses now. Undo the later merges first: `onecontact merges list --account UID` shows them.\n',
    );
    expect(await merges('undo', first, '--json')).toMatchObject({
      code: 1,
      out: `${JSON.stringify({ merge_id: first, result: 'superseded', dry_run: false })}\n`,
    });
    expect((await merges('undo', second)).code).toBe(0);
    expect((await merges('undo', first)).code).toBe(0);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('refuses to leave a side with neither an address nor a live account', async () => {
    await receive(acct('v', 'a', 1), acct('u', 'c', 1), acct('v', 'c', 2), signup('b', ['x'], 2));
    await receive(acct('u', 'b', 3), del('u', 4));
    const { code, err } = await withoutChange(async () => merges('undo', await idOf()));
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^onecontact: The merge cannot be undone: one contact would be left/),
    ]);
  });

  it('points old tokens at the restored contact again, at any depth', async () => {
    await receive(acct('u1', 'b', 1), signup('c', ['x'], 1), acct('u1', 'c', 2), del('u1', 3), acct('u2', 'a', 4));
    const [{ old }] = (await data.sql<{ old: string }>('SELECT token_retired AS old FROM merge')) as [{ old: string }];
    const restored = (await contactAt('c')).id;
    await apply(data.db, acct('u2', 'b', 5), acct('u2', 'c', 5)); // the second takes the last address
    expect((await merges('undo', await idOf())).code).toBe(0);
    expect((await contactAt('c')).id).toBe(restored);
    await apply(data.db, unsub({ token: old }, ['by-token'], 6));
    const lines = (await canonicalExportOf(data.db)).map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { addresses: [key('a'), key('b')], newsletters: {} },
      { addresses: [key('c')], newsletters: { 'by-token': 'unsubscribed' } },
    ]);
    expect(await brokenPromises(data)).toEqual([]);
  });

  it('appears in the history of both contacts', async () => {
    await receive(...MERGED);
    const id = await idOf();
    const retired = (await data.sql<{ id: string }>('SELECT retired_id AS id FROM merge'))[0]?.id as string;
    expect(await findHistory(data.db, retired, { limit: 10 })).toBeNull();
    await merges('undo', id);
    for (const contact of [(await contactAt('a')).id, retired]) {
      expect(await findHistory(data.db, contact, { limit: 10 })).toMatchObject({
        merges: [{ id, retiredId: retired, undoneAt: expect.any(Date) }],
        next: null,
      });
    }
  });
});

describe('merges unblock', () => {
  const unblock = (...args: string[]) => merges('unblock', uidOf('u'), 'B@mail.test', ...args);
  beforeEach(async () => {
    await receive(...MERGED);
    await merges('undo', await idOf());
  });

  it('merges again under a new id, which can be undone again', async () => {
    const undone = await idOf();
    const dry = await withoutChange(() => unblock('--dry-run'));
    expect(dry.out).toMatch(/^Dry run: the claims can be unblocked\. Nothing was changed\.\nMerge: the two contacts /);
    const { code, out } = await unblock();
    expect([code, out]).toEqual([0, expect.stringMatching(/^The claims count again\.\nMerge: the two contacts /)]);
    expect(await idOf()).not.toBe(undone);
    expect(await data.sql('SELECT FROM outbox WHERE message_id = $1', [await idOf()])).toHaveLength(1);
    expect(await brokenPromises(data)).toEqual([]);
    expect((await merges('undo', await idOf())).code).toBe(0);
    expect(await json('unblock', uidOf('u'), 'b@mail.test')).toMatchObject({ result: 'unblocked', outcome: 'merged' });
  });

  it('asks on a terminal, after it has shown what would happen, and needs --yes elsewhere', async () => {
    const ask = (stdin?: ReturnType<typeof terminal>) =>
      onecontact(['merges', 'unblock', uidOf('u'), 'b@mail.test'], { DATABASE_URL: data.url }, stdin);
    expect(await withoutChange(() => ask())).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(await withoutChange(() => ask(terminal('n')))).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(
        /^Dry run: the claims can be unblocked\..*Merge: .*Unblock them\? \[y\/N\] onecontact: Not confirmed: /s,
      ),
    });
    expect((await ask(terminal('y'))).out).toMatch(/^The claims count again\.\nMerge: /);
  });

  it('fails with a clear message when nothing is blocked', async () => {
    await unblock();
    const sentence = 'onecontact: No claims of this account on this address are blocked: nothing to do.\n';
    expect(await withoutChange(() => unblock())).toEqual({ code: 1, out: '', err: sentence });
  });
});

describe('onecontact merges', () => {
  beforeEach(() => receive(...MERGED));
  const uid = uidOf('u');

  it.each([
    ['show', 'rubbish'],
    ['show', ''],
    ['show'],
    ['undo', 'secret@mail.test'],
    ['undo', '0198f3a2-6c1e-7cc2-9a51'],
    ['undo'],
    ['preview', uid, 'secret@rubbish@mail.test'],
    ['preview', uid, 'undefined'],
    ['preview', 'secret@mail.test', 'b@mail.test'],
    ['preview', uid],
    ['unblock', uid, 'secret'],
    ['unblock', 'secret', 'b@mail.test'],
    ['list', '--limit', '0'],
    ['list', '--limit', 'many'],
    ['list', '--account', 'secret@mail.test'],
    ['nonsense'],
    [],
  ])('exits with 2 for bad usage and changes nothing: %s %s %s', async (...args) => {
    const { code, out, err } = await withoutChange(() => merges(...args.filter((arg) => arg !== undefined)));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^(error|Usage): /);
    expect(err).not.toContain('secret');
  });

  it.each(['show', 'undo'])('fails with a clear message when no merge has the id: %s', async (command) => {
    // The id of a contact is not the id of a merge.
    for (const id of [randomUUID(), (await contactAt('a')).id]) {
      const answer = await withoutChange(() => merges(command, id));
      const sentence = 'onecontact: No merge has this id: `onecontact merges list` shows the ids.\n';
      expect(answer).toEqual({ code: 1, out: '', err: sentence });
    }
  });

  it.each(['list', 'show', 'preview', 'undo', 'unblock'])('shows examples in the help of %s', async (command) => {
    const { code, out } = await merges(command, '--help');
    expect([code, out]).toEqual([0, expect.stringMatching(/\nExamples:\n {2}\$ /)]);
  });
});
