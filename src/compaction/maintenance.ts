import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { Backoff, pause } from '../foundation/retry';
import { codeLabel, type Metrics } from '../observability/metrics';
import { analyzeGrown } from '../postgres/analyze';
import { type Database, inTransaction } from '../postgres/database';
import { failureOf, retryTransient } from '../postgres/errors';
import { keepCompaction, releaseCompaction, saveCompaction, takeCompaction } from '../postgres/tables/compaction';
import { NOTHING, nextPage, type Page, type Purged, type StepResult } from './page';
import { MOST_ROWS, PASSES, type Pass } from './run';

export interface MaintenanceOptions {
  db: Database;
  metrics: Metrics;
  log: Logger;
  /** Only older facts are removed. In milliseconds, like the other durations. */
  olderThanMs: number;
  /** How long entries of the audit are kept. */
  auditRetentionMs: number;
  /** A run begins this long after the end of the last one. */
  everyMs: number;
  /** The percentage of time in which a run works; it pauses for the rest. */
  percent: number;
  /** Rows of a page. */
  pageSize?: number;
  /** How long a page waits for locked rows: live traffic goes first. */
  lockTimeoutMs?: number;
  /** How often a process asks whether a run is due. */
  idleMs?: number;
}

/** Small, because live traffic waits for the rows of a page. */
const PAGE_SIZE = 200;
const IDLE_MS = 10_000;
/** Shorter than the time for which a process holds compaction without finishing a page. */
const LONGEST_PAUSE_MS = 20_000;
/** A page whose rows are locked for longer is left for the next run. */
const LOCK_TIMEOUT_MS = 200;
/** How often a page is tried before it is left for the next run. */
const ATTEMPTS = 3;

/** Where a run stands: the rows of a pass that follow a key. It is not stored, because keys are personal data. */
interface Place {
  pass: number;
  after?: string;
  attempts: number;
}

/**
 * Keeps the database small while the service runs: does what `purge` does, page by page, and analyses tables that have
 * grown. One process at a time works on a run. When it stops, another continues with the same pass.
 *
 * States: *idle* (no run is due, or another process has it) -> *compacting* -> *idle*; a failure is followed by a pause.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #id = randomUUID();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #backoff = new Backoff(500, 15_000);
  #place: Place | null = null;
  #removed: Partial<Purged> = {};
  /** Why the last page failed; null if it did not. */
  #problem: string | null = null;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    for (const what of Object.keys(NOTHING)) options.metrics.compactedRows.inc({ what }, 0);
    for (const outcome of ['done', 'left'] as const) options.metrics.compactedPages.inc({ outcome }, 0);
    this.#running = this.#run();
  }

  /** Always empty: the service works without compaction. */
  problems(): string[] {
    return [];
  }

  /** Why compaction makes no progress, for the health check. */
  hints(): string[] {
    return this.#problem === null ? [] : [this.#problem];
  }

  /** Finishes the current page. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await releaseCompaction(this.#options.db, this.#id).catch(() => undefined); // otherwise the hold expires by itself
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await pause(await this.#workOrFail(), this.#stopping.signal);
    }
  }

  /** @returns how long to pause */
  async #workOrFail(): Promise<number> {
    try {
      const pauseMs = await this.#work();
      this.#problem = null;
      this.#backoff.reset();
      return pauseMs;
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Compacts one page. @returns how long to pause */
  async #work(): Promise<number> {
    const { db, percent, pageSize = PAGE_SIZE, idleMs = IDLE_MS } = this.#options;
    this.#place ??= await this.#take();
    if (this.#place === null) {
      await this.#analyze();
      return idleMs * (0.5 + Math.random() / 2);
    }
    const place = this.#place;
    const pass = PASSES[place.pass];
    const started = performance.now();
    const page = pass ? await nextPage(db, pass.table, pageSize, place.after) : null;
    if (pass && page) await this.#compact(place, pass, page);
    else await this.#endPass(place);
    const worked = performance.now() - started;
    return Math.min(LONGEST_PAUSE_MS, worked * (100 / percent - 1));
  }

  async #take(): Promise<Place | null> {
    const { db, everyMs } = this.#options;
    const pass = await takeCompaction(db, this.#id, everyMs);
    return pass === null ? null : { pass, attempts: 0 };
  }

  async #compact(place: Place, pass: Pass, page: Page): Promise<void> {
    const { db, metrics, olderThanMs, auditRetentionMs, lockTimeoutMs = LOCK_TIMEOUT_MS } = this.#options;
    const now = Date.now();
    const limits = { before: Math.max(0, now - olderThanMs), auditBefore: now - auditRetentionMs, rows: MOST_ROWS };
    const work = (): Promise<StepResult | null> =>
      inTransaction(db, async (tx) => ((await keepCompaction(tx, this.#id)) ? pass.step(tx, page, limits) : null), {
        lockTimeoutMs,
      });
    try {
      const result = await retryTransient(work);
      if (result === null) {
        this.#place = null; // another process continues
        return;
      }
      const { more, ...removed } = result;
      this.#count(removed);
      if (!more) this.#leave(place, page, 'done');
    } catch (error) {
      const { kind } = failureOf(error);
      if (kind === 'down' || kind === 'transient') throw error;
      place.attempts += 1;
      if (place.attempts >= ATTEMPTS || kind === 'permanent') this.#leave(place, page, 'left');
      if (kind === 'permanent') throw error;
      metrics.databaseErrors.inc({ code: codeLabel(failureOf(error).code), kind });
    }
  }

  #count(removed: Partial<Purged>): void {
    for (const [what, rows] of Object.entries(removed) as [keyof Purged, number][]) {
      this.#options.metrics.compactedRows.inc({ what }, rows);
      this.#removed[what] = (this.#removed[what] ?? 0) + rows;
    }
  }

  #leave(place: Place, page: Page, outcome: 'done' | 'left'): void {
    this.#options.metrics.compactedPages.inc({ outcome });
    place.after = page.last;
    place.attempts = 0;
  }

  async #endPass({ pass }: Place): Promise<void> {
    const next = pass + 1 < PASSES.length ? pass + 1 : null;
    const isOurs = await saveCompaction(this.#options.db, this.#id, next);
    this.#place = isOurs && next !== null ? { pass: next, attempts: 0 } : null;
    if (!isOurs || next !== null) return;
    this.#options.log.info({ removed: { ...NOTHING, ...this.#removed } }, 'compaction finished');
    this.#removed = {};
  }

  async #analyze(): Promise<void> {
    const { db, log } = this.#options;
    const tables = await analyzeGrown(db, { lockTimeoutMs: LOCK_TIMEOUT_MS });
    if (tables.length > 0) log.info({ tables }, 'tables analysed');
  }

  /** @returns how long to pause */
  #failed(error: unknown): number {
    const { metrics, log } = this.#options;
    const failure = failureOf(error);
    metrics.databaseErrors.inc({ code: codeLabel(failure.code), kind: failure.kind });
    if (failure.kind !== 'busy') {
      this.#problem = `Compaction failed (${failure.code}) and is tried again: old data is kept until it succeeds.`;
      log.warn({ failure }, 'compaction failed, trying again');
    }
    return this.#backoff.next();
  }
}
