import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContactEvent } from '../contacts/facts/event';
import { Backoff, pause } from '../foundation/retry';
import { aboutMessage } from '../observability/about-message';
import type { PauseReason } from '../observability/metrics';
import type { Database } from '../postgres/database';
import { type Failure, failureOf } from '../postgres/errors';
import type { Outcome } from './outcome';
import { type Applied, type ApplyOptions, applyBatch } from './transaction';

export interface BatchContext {
  db: Database;
  options: ApplyOptions;
  log: Logger;
  /** Ends the waiting for a database that is away; the batch then stays unacknowledged, and comes again. */
  stopping: AbortSignal;
  onApplied(applied: Applied): void;
  /** A transaction failed; what is done about it follows. */
  onFailure(failure: Failure): void;
  /** The database cannot be used; said again with each attempt. */
  onAway(reason: PauseReason): void;
  /** It can be used: a batch went through, or failed for a reason of its own. */
  onBack(): void;
}

/** So often is a batch tried again after a failure that was a matter of chance. */
const ATTEMPTS = 5;

/**
 * When a batch has waited in vain for a row that somebody holds (a forgotten transaction, a long command), its parts wait
 * for this long only: to find the events that need it must not take as long again for each part.
 */
const SHORT_LOCK_TIMEOUT_MS = 250;
/** After so many parts that found something held, it may be everything that is: then it waits, as for a database away. */
const BUSY_PARTS = 40;

/** What the parts of one batch share. */
interface Search {
  /** Something was held: parts do not wait long. */
  hurried: boolean;
  busyPartsLeft: number;
}

/**
 * Applies events and says what became of each. A failure of chance (deadlock, lost connection) is tried again; with the
 * database away it waits, for as long as it takes; any other failure splits the batch, until the event that fails
 * stands alone, and the others are done. An event that needs what somebody else holds is to wait elsewhere: here it would
 * hold up the others.
 *
 * @returns an outcome for each event, in their order; null when it was stopped while waiting.
 */
export async function handleBatch(
  events: readonly ContactEvent[],
  context: BatchContext,
  search: Search = { hurried: false, busyPartsLeft: BUSY_PARTS },
): Promise<Outcome[] | null> {
  const { db, options, log, stopping, onApplied, onFailure, onAway, onBack } = context;
  const away = new Backoff(200, 5_000);
  for (let attempt = 1; ; ) {
    try {
      const limit = search.hurried ? { lockTimeoutMs: SHORT_LOCK_TIMEOUT_MS } : {};
      const applied = await applyBatch(db, events, { ...options, ...limit });
      onBack();
      onApplied(applied);
      const [unknown, erased] = [new Set(applied.unknownTokens), new Set(applied.erased)];
      return events.map((event, index): Outcome => {
        if (unknown.has(index)) return { kind: 'dead', reason: 'unknown_token', problems: ['token: is of no contact'] };
        return { kind: erased.has(index) ? 'erased' : 'ok', type: event.trigger.event };
      });
    } catch (error) {
      const failure = failureOf(error);
      onFailure(failure);
      const { id, trace } = events[0]?.trigger ?? {};
      const about = events.length === 1 ? aboutMessage(id, trace) : {};
      log.warn({ failure, events: events.length, attempt, ...about }, 'batch failed');
      if (stopping.aborted) return null;
      // Asked before anything is taken for a fault of the messages: an outage must not drain the queue into retries.
      if (failure.kind === 'down' || !(await answers(db))) {
        onAway('database_down');
        await pause(away.next(), stopping);
        if (stopping.aborted) return null;
        continue;
      }
      if (failure.kind === 'busy' && events.length > 1) {
        search.hurried = true;
        search.busyPartsLeft -= 1;
        if (search.busyPartsLeft <= 0) {
          onAway('rows_held');
          await pause(away.next(), stopping);
          if (stopping.aborted) return null;
          search.busyPartsLeft = BUSY_PARTS;
          continue;
        }
      }
      onBack();
      if (failure.kind === 'transient' && attempt < ATTEMPTS) {
        await delay(Math.random() * 20 * 2 ** attempt);
        attempt += 1;
        continue;
      }
      if (events.length === 1) return [{ kind: failure.kind === 'busy' ? 'deferred' : 'retry', error: failure.code }];
      const middle = Math.ceil(events.length / 2);
      const first = await handleBatch(events.slice(0, middle), context, search);
      const second = first && (await handleBatch(events.slice(middle), context, search));
      return second && [...first, ...second];
    }
  }
}

const answers = (db: Database): Promise<boolean> =>
  db.$queryRaw`SELECT 1`.then(
    () => true,
    () => false,
  );
