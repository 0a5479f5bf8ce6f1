/** Events that are younger than the horizon end the same, whenever compaction comes between them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { purge } from '../../src/compaction/run';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, signup } from '../support/events';
import { contactEvent, renamed, shuffledBatches } from '../support/histories';
import { brokenPromises, canonicalExportOf, DEFAULTS } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 30);
/** Times of events are up to 12; those of young ones are later. */
const HORIZON = at(13);

const younger = <E extends ContactEvent>(event: E): E => ({ ...event, at: event.at + 12_500 });
const times = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 6 });
const account = fc.constantFrom('u1', 'u2', 'u3');
const address = fc.constantFrom('a', 'b');
const logins = fc.tuple(account, address, times).map(([u, a, list]) => list.map((t) => acct(u, a, t)));
const repeated = fc.tuple(address, times).map(([a, list]) => list.map((t) => signup(a, ['n1'], t)));
/** Each address has a sign-up, so that none is dropped: readers would see that. */
const ANY = ['a', 'b', 'c', 'd', 'e', 'f'].map((a) => signup(a, [], 0, { profile: { firstName: 'Ada' } }));
const old = fc
  .tuple(fc.array(contactEvent, { maxLength: 14 }), logins, logins, repeated)
  .map((parts) => [...ANY, ...parts.flat()]);
const young = fc
  .tuple(fc.array(contactEvent, { maxLength: 14 }), logins, repeated)
  .chain((parts) => shuffledBatches(parts.flat().map(younger)));

describe(`compaction between live events, on ${histories} generated histories (SEED=${seed})`, () => {
  let compacted: TestDatabase;
  let whole: TestDatabase;
  beforeAll(async () => {
    [compacted, whole] = await Promise.all([freshDatabase(), freshDatabase()]);
  });
  afterAll(async () => {
    await compacted?.drop();
    await whole?.drop();
  });

  it('changes no view: with and without it, all events end the same', async () => {
    const made = fc.sample(fc.tuple(old, young), { numRuns: histories, seed });
    const apply = (events: ContactEvent[]) =>
      Promise.all([compacted, whole].map(({ db }) => applyBatch(db, events, DEFAULTS)));
    await apply(made.flatMap(([events], i) => events.map((event) => renamed(event, i))));
    const batches = Math.max(...made.map(([, list]) => list.length));
    const total = { claims: 0, choices: 0 };
    for (let nr = 0; nr < batches; nr++) {
      const batch = made.flatMap(([, list], i) => (list[nr] ?? []).map((event) => renamed(event, i)));
      // Beside the batch, and in pages and transactions of any size.
      const [pageSize, rows] = [1 + ((seed + 7 * nr) % 50), 1 + ((seed + 3 * nr) % 20)];
      const compacting = nr % 3 === 1 ? null : purge(compacted.db, { before: HORIZON, pageSize, rows });
      await apply(batch);
      const removed = await compacting;
      total.claims += removed?.claims ?? 0;
      total.choices += removed?.choices ?? 0;
      expect(removed?.addresses ?? 0).toBe(0);
    }
    expect(total).toEqual({ claims: expect.any(Number), choices: expect.any(Number) });
    expect(Math.min(total.claims, total.choices)).toBeGreaterThan(0);
    expect(await brokenPromises(compacted)).toEqual([]);
    expect(await canonicalExportOf(compacted.db)).toEqual(await canonicalExportOf(whole.db));
  }, 300_000);
});
