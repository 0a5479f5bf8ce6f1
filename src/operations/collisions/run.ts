import { setTimeout as delay } from 'node:timers/promises';
import type { ReleaseCommand } from '../../contacts/merge/command';
import { type ClaimOutcome, outcomeOf } from '../../ingest/claim-outcome';
import { type ApplyOptions, applyBatch } from '../../ingest/transaction';
import type { Database } from '../../postgres/database';
import { failureOf, retryTransient } from '../../postgres/errors';
import { type HeldClaims, type HeldFilter, heldPages } from './list-held-claims';

/** Of pairs of address and account. */
export interface Resolved {
  released: number;
  merged: number;
  /** The address is the account's now; nothing was merged. */
  moved: number;
  /** A later claim has the address, or the account is deleted, or had it anyway. */
  nothing: number;
  /** They still wait; by the code of what went wrong. */
  failed: Record<string, number>;
}

const SUMMED: Record<ClaimOutcome['outcome'], 'merged' | 'moved' | 'nothing'> = {
  merged: 'merged',
  moved: 'moved',
  joined: 'moved',
  added: 'moved',
  kept: 'nothing',
  not_taken: 'nothing',
  held: 'nothing',
  blocked: 'nothing',
};

export interface ResolveRun {
  filter: HeldFilter;
  apply: ApplyOptions;
  /** Pairs in one transaction. */
  batchSize: number;
  /** Pairs in all. */
  limit: number;
  /** Pairs a second. */
  rate: number;
  /** So many pairs may fail before it is given up. */
  maxErrors: number;
  onBatch(resolved: Readonly<Resolved>): void;
}

/** More pairs failed than may. What was released stays. */
export class TooManyErrors extends Error {
  constructor(readonly resolved: Resolved) {
    super('too many errors');
  }
}

/** One is worked on by the database while the next one is decided. */
const SLOTS = 2;

export const releaseOf = ({ uid, address }: Pick<HeldClaims, 'uid' | 'address'>): ReleaseCommand => ({
  kind: 'release',
  uid,
  address,
});

/**
 * Lets held claims count, batch by batch, each in one transaction. What was released waits no longer, so that a run that
 * is cut off at any point is gone on with by another. A pair that fails is found out, and left as it was.
 *
 * @throws TooManyErrors
 */
export async function resolveCollisions(db: Database, run: ResolveRun): Promise<Resolved> {
  const resolved: Resolved = { released: 0, merged: 0, moved: 0, nothing: 0, failed: {} };
  const began = performance.now();
  let begun = 0;
  const flying = new Set<Promise<void>>();
  let error: unknown;
  const size = Math.min(run.batchSize, run.rate);
  for await (const page of heldPages(db, run.filter, { size, limit: run.limit })) {
    const wait = (begun / run.rate) * 1_000 - (performance.now() - began);
    if (wait > 0) await delay(wait);
    begun += page.length;
    const work = release(db, page, run, resolved)
      .catch((reason: unknown) => {
        error ??= reason;
      })
      .finally(() => {
        flying.delete(work);
        run.onBatch(resolved);
      });
    flying.add(work);
    if (flying.size >= SLOTS) await Promise.race(flying);
    if (error !== undefined) break;
  }
  await Promise.all(flying);
  if (error !== undefined) throw error;
  return resolved;
}

async function release(
  db: Database,
  page: readonly HeldClaims[],
  { apply, maxErrors }: Pick<ResolveRun, 'apply' | 'maxErrors'>,
  resolved: Resolved,
): Promise<void> {
  try {
    const applied = await retryTransient(() => applyBatch(db, page.map(releaseOf), apply));
    const settled = new Set(applied.statusChanges.map(({ uid, address }) => `${uid} ${address}`));
    for (const { uid, address } of page) {
      // Somebody else may have released it in the meantime.
      if (!settled.has(`${uid} ${address}`)) continue;
      resolved[SUMMED[outcomeOf(applied, uid, address).outcome]] += 1;
      resolved.released += 1;
    }
  } catch (error) {
    const { kind, code } = failureOf(error);
    if (kind === 'down') throw error;
    if (page.length > 1) {
      const middle = Math.ceil(page.length / 2);
      for (const half of [page.slice(0, middle), page.slice(middle)]) {
        await release(db, half, { apply, maxErrors }, resolved);
      }
      return;
    }
    resolved.failed[code] = (resolved.failed[code] ?? 0) + 1;
    if (failures(resolved) > maxErrors) throw new TooManyErrors(resolved);
  }
}

export const failures = ({ failed }: Pick<Resolved, 'failed'>): number =>
  Object.values(failed).reduce((a, b) => a + b, 0);
