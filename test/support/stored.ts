/** Applies events to a test database, and reads it back. */
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import { canonicalLine } from '../../src/contacts/profile/canonical';
import type { Step } from '../../src/ingest/apply/steps';
import { type ApplyOptions, applyBatch } from '../../src/ingest/apply/transaction';
import { exportContacts } from '../../src/operations/export/store';
import type { Database } from '../../src/postgres/database';
import { listMerges } from '../../src/postgres/tables/merge';
import { acct, signup, uidOf } from './events';

export { brokenPromises } from '../../tools/broken-promises';

export async function canonicalExportOf(db: Database): Promise<string[]> {
  const lines: string[] = [];
  await exportContacts(db, (page) => {
    lines.push(...page.map(({ view }) => canonicalLine(view)));
  });
  return lines;
}

export const DEFAULTS: ApplyOptions = { tokenPolicy: 'address', observes: () => false };

export const apply = (db: Database, ...steps: Step[]) => applyBatch(db, steps, DEFAULTS);

/** The contact of a lone address becomes part of an account's. Both are named like the account. */
export async function mergedPair(db: Database, name: string): Promise<StoredMerge> {
  await apply(db, signup(`${name}-lone`, ['x'], 1));
  await apply(db, acct(name, name, 2));
  await apply(db, acct(name, `${name}-lone`, 3));
  return (await listMerges(db, { limit: 1, uid: uidOf(name) }))[0] as StoredMerge;
}

/** Several workers apply the batches concurrently. */
export async function applyConcurrently(db: Database, batches: ContactEvent[][], workers: number): Promise<void> {
  const queue = batches.filter((batch) => batch.length > 0);
  const work = async (): Promise<void> => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) await apply(db, ...batch);
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** The same value for the same seed. */
export const sample = <T>(arbitrary: fc.Arbitrary<T>, seed: number): T =>
  fc.sample(arbitrary, { numRuns: 1, seed })[0] as T;
