/** What an event reaches is enough: everything ends as if the whole connected component had been loaded. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { Step } from '../../src/ingest/apply/steps';
import { type ApplyOptions, applyBatch } from '../../src/ingest/apply/transaction';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, login, optout, signup, uidOf, unsub } from '../support/events';
import { contactEvent } from '../support/histories';
import { ledgerOf, undoOf } from '../support/ledger';
import { pictureOf } from '../support/picture';
import { brokenPromises, DEFAULTS } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const rounds = Number(process.env.STORED_HISTORIES ?? 2);

/** A database, with the names of the ids in it. */
interface Store {
  database: TestDatabase;
  names: Map<string, string>;
}

let reach: TestDatabase;
/** The oracle: its batches load the whole connected component. */
let whole: TestDatabase;
beforeAll(async () => {
  reach = await freshDatabase();
  whole = await freshDatabase();
});
afterAll(async () => {
  await reach?.drop();
  await whole?.drop();
});

/** A command that changes nothing: with it, a batch loads the whole connected component. */
const NOTHING: Step = { kind: 'release', uid: uidOf('nobody'), address: 'nowhere' };

const many = fc.constantFrom('u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7');
/** Many accounts on few addresses, with events that arrive late and deletions between. */
const dense: fc.Arbitrary<ContactEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(acct, login), many, fc.constantFrom('a', 'a', 'b', 'c'), fc.integer({ min: 1, max: 30 }))
      .map(([claim, u, a, t]) => claim(u, a, t)),
  },
  { weight: 2, arbitrary: fc.tuple(many, fc.integer({ min: 1, max: 30 })).map(([u, t]) => del(u, t)) },
);

type Turn =
  | { kind: 'events'; events: ContactEvent[] }
  /** Addressed by one of the tokens that were ever issued. */
  | { kind: 'token'; which: number; all: boolean; t: number }
  | { kind: 'undo' | 'unblock' | 'release'; which: number };

const turn = (commands: Turn['kind'][]): fc.Arbitrary<Turn> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .array(fc.oneof(contactEvent, dense), { minLength: 1, maxLength: 4 })
        .map((events) => ({ kind: 'events' as const, events })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('token' as const),
        which: fc.nat(30),
        all: fc.boolean(),
        t: fc.integer({ min: 1, max: 30 }),
      }),
    },
    ...commands.map((kind) => ({
      weight: 1,
      arbitrary: fc.nat(9).map((which) => ({ kind, which }) as Turn),
    })),
  );

/** Histories that run side by side in the same batches, each with names of its own. */
interface Mode {
  name: string;
  sideBySide: number;
  commands: Turn['kind'][];
  observes(uid: string): boolean;
}

const modes: Mode[] = [
  { name: 'events', sideBySide: 25, commands: [], observes: () => false },
  { name: 'events, one by one', sideBySide: 1, commands: [], observes: () => false },
  { name: 'held claims', sideBySide: 25, commands: ['release'], observes: (uid) => uid < uidOf('u3') },
  { name: 'undone merges', sideBySide: 1, commands: ['undo', 'undo', 'unblock'], observes: () => false },
  { name: 'undone merges beside others', sideBySide: 3, commands: ['undo', 'unblock'], observes: () => false },
];

/** Keeps the order of the names. */
const rename = (history: number) => ({
  uid: (uid: string) => uid.slice(0, 4) + history.toString(16).padStart(4, '0') + uid.slice(8),
  address: (text: string) => text.replace('@', `-${history}@`),
});

function renamed(event: ContactEvent, history: number): ContactEvent {
  const { uid, address } = rename(history);
  const both = ({ key, typed }: { key: string; typed: string }) => ({ key: address(key), typed: address(typed) });
  if (event.kind === 'deletion') return { ...event, uid: uid(event.uid) };
  if (event.kind === 'claim') return { ...event, uid: uid(event.uid), address: both(event.address) };
  return 'address' in event.to ? { ...event, to: { ...event.to, address: both(event.to.address) } } : event;
}

async function stepsOf(turn: Turn, history: number, { database: { db, sql }, names }: Store): Promise<Step[]> {
  const mine = (name: string): boolean => name.includes(`-${history}@`);
  if (turn.kind === 'events') return turn.events.map((event) => renamed(event, history));
  if (turn.kind === 'token') {
    const tokens = [...names].filter(([, name]) => name.startsWith('token') && mine(name));
    const sorted = tokens.sort(([, a], [, b]) => (a < b ? -1 : 1));
    const token = sorted[turn.which % Math.max(1, sorted.length)]?.[0];
    if (token === undefined) return [];
    return [turn.all ? optout({ token }, turn.t) : unsub({ token }, ['n1'], turn.t)];
  }
  if (turn.kind === 'release') {
    const held = await sql<{ uid: string; address: string }>(
      "SELECT DISTINCT uid, address FROM address_claim WHERE status = 'held' ORDER BY uid, address",
    );
    const claim = held.filter(({ address }) => mine(address))[turn.which];
    return claim ? [{ kind: 'release', ...claim }] : [];
  }
  const ledger = (await ledgerOf(db)).filter(({ addresses }) => addresses.some(mine));
  const merge = ledger[turn.which % Math.max(1, ledger.length)];
  if (!merge) return [];
  if (turn.kind === 'unblock') return merge.addresses.map((address) => ({ kind: 'unblock', uid: merge.uid, address }));
  return merge.undoneAt === null ? [undoOf(merge, at(31))] : [];
}

const isCommand = ({ kind }: Turn): boolean => kind === 'undo' || kind === 'unblock' || kind === 'release';

/** Applies the turns of all histories: commands one at a time, so that one can be refused, and all events as one batch. */
async function applyTurns(turns: readonly (Turn | undefined)[], store: Store, options: ApplyOptions): Promise<void> {
  const events: Step[] = [];
  for (const [history, turn] of turns.entries()) {
    if (!turn) continue;
    const steps = await stepsOf(turn, history, store);
    if (!isCommand(turn)) events.push(...steps);
    else for (const step of steps) await applyBatch(store.database.db, [step], options);
  }
  if (events.length === 0) return;
  await applyBatch(store.database.db, store.database === whole ? [...events, NOTHING] : events, options);
}

const EMPTY =
  'TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox';

/** Compares both after each batch. */
async function expectSame(batches: ContactEvent[][]): Promise<void> {
  const stores = [reach, whole].map((database): Store => ({ database, names: new Map() }));
  for (const { database } of stores) await database.sql(EMPTY);
  for (const [batch, events] of batches.entries()) {
    for (const store of stores) await applyTurns([{ kind: 'events', events }], store, DEFAULTS);
    const [picture, oracle] = await Promise.all(stores.map(({ database, names }) => pictureOf(database, names, batch)));
    expect(picture).toEqual(oracle);
  }
}

it.each<[string, ContactEvent[][]]>([
  [
    'the owner now, for a deleted account whose claims no longer count',
    [[acct('u1', 'a', 3)], [acct('u2', 'a', 9)], [acct('u3', 'a', 27)], [del('u1', 1)]],
  ],
  [
    'the successor of a deleted account',
    [[acct('u1', 'a', 1), unsub('a', ['x'], 2)], [acct('u2', 'a', 5)], [del('u1', 3)]],
  ],
  [
    'the account to which an address falls back',
    [[acct('u1', 'a', 1), acct('u1', 'own', 1)], [acct('u2', 'a', 5)], [del('u2', 3)]],
  ],
  [
    'the predecessors of both sides, at other addresses',
    [
      [acct('u1', 'a', 1), acct('u1', 'b', 1), unsub('b', ['x'], 2), del('u1', 3)],
      [signup('c', ['x'], 1), acct('u2', 'a', 5)],
      [acct('u2', 'c', 6)],
    ],
  ],
  [
    'the accounts before and after an old claim',
    [[acct('u1', 'a', 1), signup('a', ['x'], 6)], [acct('u3', 'a', 9)], [acct('u2', 'a', 5)], [del('u1', 4)]],
  ],
  [
    'no deleted account before a claim that is repeated beside a deletion',
    [[acct('u1', 'a', 9), del('u2', 1)], [acct('u2', 'a', 5)], [del('u1', 6), acct('u3', 'a', 4), acct('u1', 'a', 9)]],
  ],
])('an event reaches %s', async (_, batches) => {
  await expectSame(batches);
});

describe.each(modes)('$name', ({ sideBySide, commands, observes }) => {
  it(
    `end the same in ${rounds * sideBySide} generated histories (SEED=${seed})`,
    async () => {
      const options = { ...DEFAULTS, observes: (uid: string) => observes(uid.slice(0, 4).padEnd(32, '0')) };
      for (let round = 0; round < rounds; round++) {
        const stores = [reach, whole].map((database): Store => ({ database, names: new Map() }));
        for (const { database } of stores) await database.sql(EMPTY);
        const stories = fc.sample(fc.array(turn(commands), { minLength: 6, maxLength: 9, size: 'max' }), {
          numRuns: sideBySide,
          seed: seed + round,
        });
        for (let batch = 0; batch < 9; batch++) {
          const turns = stories.map((story) => story[batch]);
          for (const store of stores) await applyTurns(turns, store, options);
          const [picture, oracle] = await Promise.all(
            stores.map(({ database, names }) => pictureOf(database, names, batch)),
          );
          expect({ seed: seed + round, batch, picture }).toEqual({ seed: seed + round, batch, picture: oracle });
        }
        expect(await brokenPromises(reach)).toEqual([]);
      }
    },
    60_000 + 60_000 * rounds,
  );
});
