import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContactEvent } from '../contacts/facts/event';
import { Backoff, pause } from '../foundation/retry';
import type { PauseReason } from '../observability/metrics';
import type { Database } from '../postgres/database';
import { type Failure, failureOf, STALE_READ, WRONG_ERASURE_KEY } from '../postgres/errors';
import { aboutMessages } from './about-message';
import { type Applied, type ApplyOptions, applyBatch } from './apply/transaction';
import { dataFault } from './data-fault';
import { handlesOthers } from './made-up-events';
import { committed, NOT_STORED, type Outcome, UNKNOWN_TOKEN } from './outcome';

export interface BatchContext {
  db: Database;
  options: ApplyOptions;
  log: Logger;
  /** Ends the wait for an unavailable database; messages without an outcome then stay unacknowledged. */
  stopping: AbortSignal;
  onApplied(applied: Applied): void;
  /** Called for each failed transaction, before it is handled. */
  onFailure(failure: Failure): void;
  /** Called for each attempt while nothing can be applied. */
  onAway(reason: PauseReason, failure: Failure): void;
  /** Called when the database works: a transaction was committed, or failed for a reason of its own. */
  onBack(): void;
}

/** Attempts at one batch while it fails by chance. */
const ATTEMPTS = 5;

/**
 * The lock timeout of the parts of a batch, once the whole batch has waited in vain for a locked row (held by a forgotten
 * transaction or a long command). With the full timeout, the search for the events that need the row would take too long.
 */
const SHORT_LOCK_TIMEOUT_MS = 250;
/** After this many parts that found locked rows, a whole table may be locked: pause, as for an unavailable database. */
const BUSY_PARTS = 40;

/** The search for the events that need locked rows; all parts of one batch share it. */
interface Search {
  lockTimeoutMs?: number;
  busyPartsLeft: number;
}

interface Undecided {
  readonly event: ContactEvent;
  readonly partial?: readonly string[];
  outcome: Outcome | null;
}

/**
 * Applies the events of a batch and gives each item its outcome. A chance failure (deadlock, lost connection) is retried.
 * If the database is unavailable, or too slow for any event, this waits as long as it takes. After any other failure the
 * batch is split until the failing event is alone and the others are done. An event that needs locked rows is deferred:
 * waiting for them here would hold up the others.
 *
 * @returns false if it was stopped while waiting; some items then have no outcome
 */
export async function handleBatch(
  items: readonly Undecided[],
  context: BatchContext,
  search: Search = { busyPartsLeft: BUSY_PARTS },
): Promise<boolean> {
  const { stopping, onAway, onBack } = context;
  const backoff = new Backoff(200, 5_000);
  for (let attempt = 1; ; ) {
    const failure = await applyOnce(items, context, search, attempt);
    if (failure === null) return true;
    if (stopping.aborted) return false;
    const pauseReason = await pauseReasonOf(failure, items, context, search);
    if (pauseReason) {
      onAway(pauseReason, failure);
      await pause(backoff.next(), stopping);
      if (stopping.aborted) return false;
      continue;
    }
    onBack();
    // After lost looks, only a batch with fewer events has a better chance.
    if (failure.kind === 'transient' && failure.code !== STALE_READ && attempt < ATTEMPTS) {
      await delay(Math.random() * 20 * 2 ** attempt);
      attempt += 1;
      continue;
    }
    if (items.length === 1) {
      items[0]!.outcome = { kind: failure.kind === 'busy' ? 'deferred' : 'retry', error: failure.code };
      return true;
    }
    const middle = Math.ceil(items.length / 2);
    const done = await handleBatch(items.slice(0, middle), context, search);
    return done && handleBatch(items.slice(middle), context, search);
  }
}

/** One transaction. @returns why it failed, or null if it was committed and all items have their outcomes */
async function applyOnce(
  items: readonly Undecided[],
  { db, options, log, onApplied, onFailure, onBack }: BatchContext,
  { lockTimeoutMs }: Search,
  attempt: number,
): Promise<Failure | null> {
  try {
    const events = items.map(({ event }) => event);
    const applied = await applyBatch(db, events, { ...options, ...(lockTimeoutMs !== undefined && { lockTimeoutMs }) });
    onBack();
    onApplied(applied);
    for (const item of items) item.outcome = committed(item.event, item.partial);
    for (const index of applied.erased) items[index]!.outcome = { kind: 'erased', type: events[index]!.trigger.event };
    for (const index of applied.unknownTokens) items[index]!.outcome = UNKNOWN_TOKEN;
    for (const index of applied.notStored) items[index]!.outcome = NOT_STORED;
    return null;
  } catch (error) {
    const failure = failureOf(error);
    onFailure(failure);
    const [only, another] = items;
    const alone = another ? undefined : only?.event;
    const about = aboutMessages(items.map(({ event }) => event));
    log.warn({ failure, events: items.length, attempt, ...about }, 'batch failed');
    const fault = alone ? dataFault(failure, alone) : null;
    if (fault) log.error({ code: failure.code, ...fault, ...about }, 'decoded data refused by the database');
    return failure;
  }
}

/**
 * Why consumption must pause, or null. Asked before a failure is blamed on a message: an outage must not drain the queue
 * into the retry queues.
 */
async function pauseReasonOf(
  failure: Failure,
  { length }: readonly Undecided[],
  { db, options }: BatchContext,
  search: Search,
): Promise<PauseReason | null> {
  if (failure.code === WRONG_ERASURE_KEY) return 'erasure_key';
  if (failure.kind === 'down' || !(await answers(db))) return 'database_down';
  if (failure.kind === 'slow') return (await handlesOthers(db, options)) ? null : 'database_slow';
  if (failure.kind !== 'busy' || length === 1) return null;
  search.lockTimeoutMs = SHORT_LOCK_TIMEOUT_MS;
  search.busyPartsLeft -= 1;
  if (search.busyPartsLeft > 0) return null;
  search.busyPartsLeft = BUSY_PARTS;
  return 'rows_held';
}

const answers = (db: Database): Promise<boolean> =>
  db.$queryRaw`SELECT 1`.then(
    () => true,
    () => false,
  );
