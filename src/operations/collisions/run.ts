import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeSet } from '../../contacts/change-recorder';
import type { ReleaseCommand } from '../../contacts/merge/command';
import { type ApplyOptions, applyBatch } from '../../ingest/apply/transaction';
import type { Database, Transaction } from '../../postgres/database';
import { failureOf, retryTransient } from '../../postgres/errors';
import { addToAudit } from '../../postgres/tables/audit';
import type { Author } from '../audited';
import { type ClaimOutcome, outcomeOf } from '../claim-outcome';
import { checkedEffect, EffectChanged } from '../previewed';
import { type HeldFilter, heldPages, type Pair } from './store';

/** Counts of pairs of address and account. */
export interface Resolved {
  released: number;
  merged: number;
  /** The account got the address without a merge. */
  moved: number;
  /** The account already had the address, does not get it, or is deleted. */
  nothing: number;
  /** Pairs that are still held, by error code. */
  failed: Record<string, number>;
}

const COUNTED_AS: Record<ClaimOutcome['outcome'], 'merged' | 'moved' | 'nothing'> = {
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
  /** Each transaction has an entry in the audit, with the pairs that it released. */
  author: Author;
  /** Pairs in one transaction. */
  batchSize: number;
  /** The limit of pairs in all. */
  limit: number;
  /** The limit of pairs per second. */
  rate: number;
  /** The run ends when more pairs than this have failed. */
  maxErrors: number;
  onBatch(resolved: Readonly<Resolved>): void;
}

/** More pairs failed than `maxErrors` allows. Pairs that were released stay released. */
export class TooManyErrors extends Error {
  constructor(readonly resolved: Resolved) {
    super('too many errors');
  }
}

/** The next batch is decided while the database works on the previous one. */
const CONCURRENCY = 2;

const releaseOf = ({ uid, address }: Pair): ReleaseCommand => ({ kind: 'release', uid, address });

/** What releasing some held claims would do. Changes nothing. */
export async function previewRelease(db: Database, held: Pair, options: ApplyOptions): Promise<ClaimOutcome> {
  const applied = await retryTransient(() => applyBatch(db, [releaseOf(held)], { ...options, dryRun: true }));
  return outcomeOf(applied, held.uid, held.address, true);
}

/**
 * Releases held claims batch by batch, each in one transaction. Released claims are not listed again, so another run
 * continues an interrupted one. A pair that fails is isolated and stays held.
 *
 * @throws TooManyErrors
 */
export async function resolveCollisions(db: Database, run: ResolveRun): Promise<Resolved> {
  const resolved = nothingYet();
  const startedAt = performance.now();
  let started = 0;
  const running = new Set<Promise<void>>();
  let error: unknown;
  const size = Math.min(run.batchSize, run.rate);
  for await (const page of heldPages(db, run.filter, { size, limit: run.limit })) {
    const ahead = (started / run.rate) * 1_000 - (performance.now() - startedAt);
    if (ahead > 0) await delay(ahead);
    started += page.length;
    const work = release(db, page, run, resolved)
      .catch((reason: unknown) => {
        error ??= reason;
      })
      .finally(() => {
        running.delete(work);
        run.onBatch(resolved);
      });
    running.add(work);
    if (running.size >= CONCURRENCY) await Promise.race(running);
    if (error !== undefined) break;
  }
  await Promise.all(running);
  if (error !== undefined) throw error;
  return resolved;
}

const nothingYet = (): Resolved => ({ released: 0, merged: 0, moved: 0, nothing: 0, failed: {} });

export interface ReleasedPairs extends Resolved {
  /** What became of each released pair. */
  outcomes: { pair: Pair; outcome: ClaimOutcome }[];
  /** Null unless all pairs were released in one transaction. */
  effect: string | null;
}

/**
 * Releases some pairs in one transaction. One that is not held is left out; one that fails is isolated and stays held.
 *
 * @param seen the effect that was shown
 * @throws EffectChanged
 */
export async function releasePairs(
  db: Database,
  pairs: readonly Pair[],
  { seen, ...run }: Pick<ResolveRun, 'apply' | 'author'> & { seen?: string | undefined },
): Promise<ReleasedPairs> {
  const resolved = nothingYet();
  const outcomes: ReleasedPairs['outcomes'] = [];
  let effect: string | null = null;
  const onSave = (changes: ChangeSet, page: readonly Pair[]): void => {
    effect = page.length === pairs.length ? checkedEffect(changes, seen) : null;
  };
  const onReleased = (pair: Pair, outcome: ClaimOutcome): void => void outcomes.push({ pair, outcome });
  await release(db, pairs, { ...run, maxErrors: pairs.length, onSave, onReleased }, resolved);
  return { ...resolved, outcomes, effect };
}

interface Release extends Pick<ResolveRun, 'apply' | 'author' | 'maxErrors'> {
  onSave?(changes: ChangeSet, page: readonly Pair[]): void;
  onReleased?(pair: Pair, outcome: ClaimOutcome): void;
}

async function release(db: Database, page: readonly Pair[], run: Release, resolved: Resolved): Promise<void> {
  const { apply, author, maxErrors } = run;
  const alsoSave = (tx: Transaction, changes: ChangeSet): Promise<void> => {
    run.onSave?.(changes, page);
    return addReleased(tx, page, changes, author, apply.announce ?? true);
  };
  try {
    const applied = await retryTransient(() => applyBatch(db, page.map(releaseOf), { ...apply, alsoSave }));
    const released = releasedBy(applied);
    for (const pair of page) {
      const { uid, address } = pair;
      // Another run may have released it in the meantime.
      if (!released.has(`${uid} ${address}`)) continue;
      const outcome = outcomeOf(applied, uid, address, apply.dryRun ?? false);
      run.onReleased?.(pair, outcome);
      resolved[COUNTED_AS[outcome.outcome]] += 1;
      resolved.released += 1;
    }
  } catch (error) {
    const { kind, code } = failureOf(error);
    if (kind === 'down' || error instanceof EffectChanged) throw error;
    if (page.length > 1) {
      const middle = Math.ceil(page.length / 2);
      for (const half of [page.slice(0, middle), page.slice(middle)]) {
        await release(db, half, run, resolved);
      }
      return;
    }
    resolved.failed[code] = (resolved.failed[code] ?? 0) + 1;
    if (failures(resolved) > maxErrors) throw new TooManyErrors(resolved);
  }
}

/** The pairs of account and address that were released, as text with a space between. */
const releasedBy = ({ statusChanges }: Pick<ChangeSet, 'statusChanges'>): Set<string> =>
  new Set(statusChanges.map(({ uid, address }) => `${uid} ${address}`));

async function addReleased(
  tx: Transaction,
  page: readonly Pair[],
  changes: ChangeSet,
  author: Author,
  announce: boolean,
): Promise<void> {
  const released = releasedBy(changes);
  const pairs = page
    .filter(({ uid, address }) => released.has(`${uid} ${address}`))
    .map(({ uid, address }) => ({ account_id: uid, email: address }));
  if (pairs.length === 0) return;
  const target = { pairs, announce };
  await addToAudit(tx, { ...author, command: 'collisions resolve', target, result: { released: pairs.length } });
}

export const failures = ({ failed }: Pick<Resolved, 'failed'>): number =>
  Object.values(failed).reduce((a, b) => a + b, 0);
