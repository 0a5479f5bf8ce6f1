/** `onecontact audit`: every command that changes something says who did it, what and why. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { applyBatch } from '../../../src/ingest/apply/transaction';
import { keepRows } from '../../../tools/table-rows';
import { withBroker } from '../../support/broker';
import { confirmed, onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { addDeadLetters } from '../../support/dead-letters';
import { acct, addressOf, signup, uidOf } from '../../support/events';
import { ctms } from '../../support/records';
import { apply, DEFAULTS } from '../../support/stored';
import { tracesOf } from '../../support/traces';

const KEY = 'a key for erasure in tests';
let data: TestDatabase;
let empty: () => Promise<void>;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(() => empty());
afterAll(() => data?.drop());

const broker = withBroker();
const env = () => ({ DATABASE_URL: data.url, AMQP_URL: broker().url, ERASURE_KEY: KEY, OPERATOR: 'grace' });
const run = (...args: string[]) => onecontact(confirmed(args), env());
const audit = async (...args: string[]): Promise<Record<string, unknown>[]> => {
  const { out, err } = await run('audit', '--json', ...args);
  expect(err).toBe('');
  return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
};
const key = (name: string): string => addressOf(name).key;
const receive = async (...events: ContactEvent[]): Promise<void> => {
  for (const event of events) await apply(data.db, event);
};
const hold = (event: ContactEvent) => applyBatch(data.db, [event], { ...DEFAULTS, observes: () => true });
const mergeId = async (): Promise<string> =>
  (await data.sql<{ id: string }>('SELECT id FROM merge ORDER BY seq DESC LIMIT 1'))[0]?.id as string;

/** Two contacts that are merged, and the id of the event that did it. */
async function merged(): Promise<string> {
  const last = acct('u', 'b', 3);
  await receive(acct('u', 'a', 1), signup('b', ['x'], 2), last);
  return last.trigger.id;
}

describe('a command that changes something', () => {
  it('says who undid a merge and lifted its block, when, on what and why', async () => {
    const eventId = await merged();
    const id = await mergeId();
    await run('merges', 'undo', id, '--reason', 'ticket 4711');
    await run('merges', 'unblock', uidOf('u'), key('b'));
    const entry = { at: expect.stringMatching(/^20[\d-]+T[\d:.]+Z$/), operator: 'grace' };
    expect(await audit()).toEqual([
      {
        ...{ ...entry, command: 'merges unblock', reason: null, result: { result: 'unblocked' } },
        target: { merge_id: id, account_id: uidOf('u'), email: key('b') },
      },
      {
        ...{ ...entry, command: 'merges undo', reason: 'ticket 4711', result: { result: 'undone' } },
        target: { merge_id: id, account_id: uidOf('u'), addresses: [key('b')], trigger_event_id: eventId },
      },
    ]);
  });

  it('names every pair that a release of held claims changed, and no other', async () => {
    await receive(signup('b', ['x'], 1), acct('u', 'a', 1), signup('c', ['x'], 1), acct('v', 'd', 1));
    await hold(acct('u', 'b', 2));
    await hold(acct('v', 'c', 2));
    await run('collisions', 'resolve', uidOf('v'), '--no-announce', '--reason', 'looked at');
    expect(await audit()).toMatchObject([
      {
        command: 'collisions resolve',
        target: { pairs: [{ account_id: uidOf('v'), email: key('c') }], announce: false },
        reason: 'looked at',
        result: { released: 1 },
      },
    ]);
  });

  it('is in the audit with its numbers when it is more than one transaction: import and purge', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'onecontact-')), 'contacts.ndjson');
    writeFileSync(file, `${JSON.stringify(ctms({ a: 'a' }))}\n`);
    await run('import', file, '--reason', 'the move');
    await run('purge', '--older-than', '30d');
    expect(await audit()).toMatchObject([
      { command: 'purge', target: { before: expect.any(String) }, result: { claims: 0, audit: 0 } },
      { command: 'import', target: { file: 'contacts.ndjson' }, reason: 'the move', result: { imported: 1 } },
    ]);
  });

  it('is in the audit when it fails on the way, as not finished', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'onecontact-')), 'contacts.ndjson');
    writeFileSync(file, 'x');
    expect((await run('import', file, '--rejects', '/nowhere/rejects.ndjson')).code).toBe(1);
    expect(await audit()).toMatchObject([{ command: 'import', result: null }]);
    expect((await run('audit')).out).toMatch(/ grace +import +not finished +file=contacts\.ndjson\n$/);
  });

  it('is in the audit when it changes the broker: dead letters that were replayed or dropped', async () => {
    await broker().freshTopology();
    await addDeadLetters(broker(), 2);
    await run('dead-letters', 'replay', '--reason', 'failed', '--limit', '1');
    await run('dead-letters', 'drop', '--address', ' Ada@MAIL.test');
    await run('dead-letters', 'drop', '--all');
    expect(await audit('--command', 'dead-letters')).toMatchObject([
      { command: 'dead-letters drop', target: { all: true }, result: { dead_letters: 1, matched: 1 } },
      { command: 'dead-letters drop', target: { email: 'ada@mail.test' }, result: { matched: 0 } },
      { command: 'dead-letters replay', target: { reason: 'failed', limit: 1 }, result: { matched: 1 } },
    ]);
    const without = await onecontact(['dead-letters', 'drop', '--all', '--yes'], { AMQP_URL: broker().url });
    expect([without.code, without.err]).toEqual([1, expect.stringContaining('DATABASE_URL: is not set')]);
  });

  it('names the migrations that it applied, and the system’s user without OPERATOR', async () => {
    const fresh = await freshDatabase({ migrated: false });
    try {
      const env = { DATABASE_URL: fresh.url };
      await onecontact(['migrate'], env);
      await onecontact(['migrate'], env); // nothing to do
      const { out } = await onecontact(['audit', '--json'], env);
      const operator = userInfo().username;
      expect(JSON.parse(out)).toMatchObject({ operator, command: 'migrate', target: { applied: expect.any(Array) } });
    } finally {
      await fresh.drop();
    }
  });

  it('leaves no entry in a dry run, or when it is refused', async () => {
    await merged();
    await hold(acct('v', 'b', 4));
    const id = await mergeId();
    for (const command of [
      ['merges', 'undo', id, '--dry-run'],
      ['merges', 'unblock', uidOf('u'), key('b')],
      ['collisions', 'resolve', '--dry-run'],
      ['erase', key('a'), '--dry-run'],
      ['purge', '--older-than', '1d', '--dry-run'],
      ['dead-letters', 'drop', '--all', '--dry-run'],
      ['dead-letters', 'replay', '--all', '--dry-run'],
    ])
      await run(...command);
    expect(await audit()).toEqual([]);
  });
});

describe('an erasure', () => {
  it('leaves keyed hashes of the person in the audit, and nothing else of the person', async () => {
    await merged();
    await run('merges', 'undo', await mergeId(), '--reason', 'B wrote from b@mail.test');
    await run('merges', 'unblock', uidOf('u'), key('b'), '--reason', 'Ada asked');
    await run('dead-letters', 'drop', '--address', key('other'));
    await run('erase', key('a'), '--reason', 'a@mail.test wrote to us');
    const names = [key('a'), key('b'), uidOf('u'), 'Ada', 'B wrote', 'a@', 'b@', '|u|'];
    expect(await tracesOf(data, names)).toEqual([]);
    const erased = expect.stringMatching(/^erased:[0-9a-f]{64}$/);
    const entries = await audit();
    expect(entries).toMatchObject([
      { command: 'erase', target: { addresses: [erased, erased], accounts: [erased] }, reason: erased },
      { command: 'dead-letters drop', target: { email: key('other') }, reason: null },
      { command: 'merges unblock', target: { account_id: erased, email: erased }, reason: erased },
      { command: 'merges undo', target: { account_id: erased, addresses: [erased] }, reason: erased },
    ]);
    // With the key, the entries are still found by the name.
    expect(await audit('--address', key('b'))).toEqual([entries[0], entries[2], entries[3]]);
    expect(await audit('--account', uidOf('u'))).toEqual([entries[0], entries[2], entries[3]]);
  });

  it('replaces a reason that names the person in any spelling, of an entry that is not about the person', async () => {
    await receive(signup('a', ['x'], 1), acct('u', 'a', 2));
    const [token] = await data.sql<{ token: string }>('SELECT token FROM basket_token');
    const spellings = [
      'A@MAIL.test wrote',
      'see x?email=a%40mail.test',
      '{"email":"a\\u0040mail.test"}',
      uidOf('u').toUpperCase(),
      uidOf('u').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      `token ${token?.token}`,
    ];
    for (const reason of [...spellings, 'ticket 20261126', 'x@mail.test wrote']) {
      await run('purge', '--older-than', '30d', '--reason', reason);
    }
    await run('erase', key('a'));
    const erased = expect.stringMatching(/^erased:[0-9a-f]{64}$/);
    const reasons = (await audit('--command', 'purge')).map(({ reason }) => reason);
    expect(reasons.reverse()).toEqual([...spellings.map(() => erased), 'ticket 20261126', 'x@mail.test wrote']);
  });

  it('keeps a reason that does not name the person', async () => {
    await apply(data.db, signup('a', ['x'], 1));
    await run('erase', key('a'), '--reason', 'ticket 4712');
    expect(await audit()).toMatchObject([{ command: 'erase', reason: 'ticket 4712' }]);
  });

  it('replaces only its own person among the pairs of one release', async () => {
    await receive(signup('b', ['x'], 1), acct('u', 'a', 1), signup('c', ['x'], 1), acct('v', 'd', 1));
    await hold(acct('u', 'b', 2));
    await hold(acct('v', 'c', 2));
    await run('collisions', 'resolve');
    await run('erase', key('a'));
    const [, released] = await audit();
    const erased = expect.stringMatching(/^erased:/);
    expect(released?.target).toMatchObject({
      pairs: [
        { account_id: erased, email: erased },
        { account_id: uidOf('v'), email: key('c') },
      ],
    });
  });
});

describe('onecontact audit', () => {
  const add = (command: string, operator: string, days: number, target: object) =>
    data.sql(
      `INSERT INTO audit (at, operator, command, target, result) VALUES (now() - make_interval(days => $1), $2, $3, $4, '{}')`,
      [days, operator, command, target],
    );

  it('shows the newest 20, and with filters only the matching entries', async () => {
    for (let n = 0; n < 25; n++) await add('purge', 'cron', 1, { n });
    await add('merges undo', 'ada', 3, { account_id: uidOf('u') });
    await add('mergesome', 'ada', 4, { email: 'ann@mail.test' });
    expect(await audit()).toHaveLength(20);
    expect(await audit('--limit', '1000')).toHaveLength(27);
    const older = '\nThere are older entries: --limit shows more.\n';
    expect((await run('audit')).out.endsWith(older)).toBe(true);
    expect((await run('audit', '--limit', '27')).out).not.toContain(older);
    expect(await audit('--command', 'merges')).toMatchObject([{ command: 'merges undo' }]);
    expect(await audit('--operator', 'ada')).toHaveLength(2);
    expect(await audit('--operator', 'ada', '--since', '84h')).toMatchObject([{ command: 'merges undo' }]);
    expect(await audit('--until', '84h')).toMatchObject([{ command: 'mergesome' }]);
    expect(await audit('--account', uidOf('u'))).toHaveLength(1);
    expect(await audit('--address', 'nn@mail.test')).toHaveLength(0);
    expect(await audit('--address', 'Ann@mail.test')).toHaveLength(1);
  });

  it('shows people a table, with the first of many values', async () => {
    await add('collisions resolve', 'ada', 0, { pairs: [1, 2, 3, 4, 5].map((n) => ({ account_id: n, email: 'e' })) });
    const lines = (await onecontact(['audit'], { DATABASE_URL: data.url }, undefined, true, 200)).out.split('\n');
    expect(lines[0]).toMatch(/^when \(UTC\) +operator +command +state +what \(why\)$/);
    expect(lines[1]).toMatch(/ ada +collisions resolve +done +pairs=1 e, 2 e, 3 e, and 2 more$/);
    await empty();
    expect((await run('audit')).out).toBe('The audit has no matching entries.\n');
  });

  it('loses the entries that are older than AUDIT_RETENTION to a purge', async () => {
    await add('purge', 'cron', 20, {});
    await add('purge', 'cron', 5, {});
    const purge = (...args: string[]) =>
      onecontact(['purge', '--older-than', '1d', '--json', ...args], { ...env(), AUDIT_RETENTION: '10d' });
    expect(JSON.parse((await purge('--dry-run')).out)).toMatchObject({ audit: 1 });
    expect(await audit()).toHaveLength(2);
    expect(JSON.parse((await purge()).out)).toMatchObject({ audit: 1 });
    expect(await audit()).toHaveLength(2); // one is left, and one is about this purge
  });

  it.each(['nosuch', 'merge', 'merges  undo', ''])(
    'exits with 2 for a command that is not in the audit: "%s"',
    async (command) => {
      const { code, out, err } = await run('audit', '--command', command);
      expect([code, out]).toEqual([2, '']);
      expect(err.replace(/\s+/g, ' ')).toMatch(/It must be one of: migrate, .*, merges undo, /);
    },
  );

  it('exports the decisions to make again, oldest first, without addresses, reasons and generated ids', async () => {
    const eventId = await merged();
    const id = await mergeId();
    await run('merges', 'undo', id, '--reason', 'Ada asked');
    await run('merges', 'unblock', uidOf('u'), key('b'));
    await run('purge', '--older-than', '30d');
    const { out, err } = await run('audit', '--export');
    expect(err).toBe('');
    const lines = out.trimEnd().split('\n');
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        ...{ at: expect.any(String), operator: 'grace', command: 'merges undo', account_id: uidOf('u') },
        ...{ address_hashes: [hash], trigger_event_id: eventId },
      },
      {
        ...{ at: expect.any(String), operator: 'grace', command: 'merges unblock', account_id: uidOf('u') },
        address_hashes: [hash],
      },
    ]);
    expect(out).not.toContain(id);
    expect(out).not.toMatch(/@|Ada asked/);
    expect((await onecontact(['audit', '--export'], { DATABASE_URL: data.url })).err).toMatch(/ERASURE_KEY is not set/);
    expect((await run('audit', '--export', '--command', 'merges')).code).toBe(2);
  });

  it('prints the decisions of an export as commands that a shell understands, and as comments what cannot be done now', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onecontact-'));
    const [decisions, other] = [join(folder, 'decisions'), join(folder, 'other')];
    const records = join(folder, 'a file.ndjson');
    writeFileSync(records, `${JSON.stringify(ctms({ a: 'imported' }))}\n`);
    await receive(signup("o'hara@mail.test", ['x'], 1), acct('u', 'a', 1));
    await hold(acct('u', "o'hara@mail.test", 2));
    const restore = await keepRows(data, 'older');
    await run('import', records);
    await run('collisions', 'resolve');
    await run('merges', 'undo', await mergeId());
    writeFileSync(decisions, (await run('audit', '--export')).out);
    await restore();
    await data.sql('DROP SCHEMA older CASCADE');
    const again = async (): Promise<string[]> => (await run('audit', '--again', decisions)).out.split('\n');
    expect(await again()).toEqual([
      "onecontact import -- 'a file.ndjson'",
      `onecontact collisions resolve -- ${uidOf('u')} 'o'\\''hara@mail.test'`,
      expect.stringMatching(/^# 20\S+ merges undo, account [0-9a-f]{32}: no merge of this event$/),
      '',
    ]);
    await run('import', records);
    await run('collisions', 'resolve');
    await run('merges', 'undo', await mergeId());
    expect(await again()).toEqual([
      expect.stringMatching(/^# .* import: a file\.ndjson, done already$/),
      expect.stringMatching(/^# .* collisions resolve, .*: nothing to do$/),
      expect.stringMatching(/^# .* merges undo, .*: done already$/),
      '',
    ]);
    const [first = ''] = (await run('audit', '--export')).out.split('\n');
    writeFileSync(other, first.replace('"import"', '"import; rm"'));
    expect((await run('audit', '--again', other)).err).toMatch(/^onecontact: Line 1 was not written by/);
    expect((await run('audit', '--again', `${other}.none`)).err).toMatch(/cannot be read \(ENOENT\)/);
  });
});
