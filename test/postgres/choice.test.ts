/** Of two choices under one key, one order decides, in memory and in the database. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Choice, mergeChoices, NO_DETAILS } from '../../src/contacts/facts/facts';
import { setKey } from '../../src/contacts/facts/refused';
import { insertChoices, loadChoices } from '../../src/postgres/tables/choice';
import { freshDatabase, type TestDatabase } from '../support/database';
import { at } from '../support/events';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const PAIRS = 1_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** Texts that a collation or UTF-16 would sort in another way than their bytes. */
const text = fc.constantFrom(
  null,
  '',
  ' ',
  'a',
  'A',
  'ab',
  'ä',
  'z',
  'i',
  'İ',
  '-',
  '\u{fffd}',
  '\u{1f600}',
  '\u{e000}',
);
const fields = fc.constantFrom(null, '{"geo":"fr"}', '{"geo":"us"}', '{"platform":"ios"}');
const content = fc.record({ proven: fc.boolean(), source: text, lang: text, format: text, reason: text, fields });
const acts = fc.oneof(
  fc.record({
    newsletter: fc.constant('x'),
    acts: fc.tuple(...[1, 2].map(() => fc.constantFrom<Choice['act']>('subscribe', 'unsubscribe'))),
  }),
  fc.record({
    newsletter: fc.constant(''),
    acts: fc.tuple(...[1, 2].map(() => fc.constantFrom<Choice['act']>('confirm', 'opt_out'))),
  }),
);
const pair = fc.tuple(acts, content, content);

it(`of two choices under one key the same is kept in memory and in the database, in either order (SEED=${seed})`, async () => {
  const pairs = fc
    .sample(pair, { numRuns: PAIRS, seed })
    .map(([{ newsletter, acts }, ...contents]) =>
      contents.map((content, i) => ({ ...content, newsletter, act: acts[i] as Choice['act'], at: at(1) })),
    );
  const made = (order: string, [first, second]: [number, number]): [Choice[], Choice[]] => {
    const all = [first, second].map((which) =>
      pairs.map(
        (both, n): Choice => ({
          ...(both[which] as Omit<Choice, 'origin'>),
          origin: { kind: 'address', key: `${order}${n}` },
        }),
      ),
    );
    return all as [Choice[], Choice[]];
  };
  const kept = new Map<string, unknown>();
  for (const [order, ways] of [
    ['f', [0, 1]],
    ['b', [1, 0]],
  ] as const) {
    const [first, second] = made(order, [...ways]);
    for (const choices of [first, second]) {
      const insert = insertChoices(choices);
      if (insert) await database.db.$queryRaw(insert);
    }
    const stored = await loadChoices(database.db, { addresses: first.map(({ origin }) => origin.key), uids: [] });
    const byKey = new Map(stored.map((choice) => [choice.origin.key, choice]));
    for (const [n, choice] of first.entries()) {
      const merged = mergeChoices(choice, second[n] as Choice);
      expect(byKey.get(choice.origin.key)).toEqual(merged);
      const { origin, ...what } = merged;
      if (order === 'f') kept.set(`b${n}`, what);
      else expect(what).toEqual(kept.get(origin.key));
    }
  }
});

it('a set is stored once, two of one moment beside each other, with what each refuses', async () => {
  const origin = { kind: 'address' as const, key: 'sets' };
  const sets = [{ all_but: [] }, { all_but: ['a "quoted" name', 'ä'] }, { only: ['x'] }].map(
    (refused): Choice => ({
      ...NO_DETAILS,
      origin,
      newsletter: setKey(refused),
      at: at(1),
      act: 'set',
      proven: false,
      refused,
    }),
  );
  const signUp: Choice = { ...NO_DETAILS, origin, newsletter: 'x', at: at(1), act: 'subscribe', proven: false };
  for (const choices of [sets, [...sets, signUp]]) {
    const insert = insertChoices(choices);
    if (insert) await database.db.$queryRaw(insert);
  }
  const stored = await loadChoices(database.db, { addresses: ['sets'], uids: [] });
  expect(stored).toHaveLength(4);
  expect(stored).toEqual(expect.arrayContaining([...sets, signUp]));
});

it('the database refuses a set without what it refuses, a set under another key, and another act under its key', async () => {
  const insert = (act: string, newsletter: string, refused: string | null) =>
    database.sql(
      `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven, refused) VALUES ('address', 'no', $1, now(), $2::act, false, $3)`,
      [newsletter, act, refused],
    );
  await expect(insert('set', ' set x', null)).rejects.toThrow('choice_set_refuses');
  await expect(insert('set', 'x', '{"only":[]}')).rejects.toThrow('choice_set_key');
  await expect(insert('unsubscribe', ' set x', null)).rejects.toThrow('choice_set_key');
});
