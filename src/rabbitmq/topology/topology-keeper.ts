import type { Logger } from 'pino';
import { Backoff, pause } from '../../foundation/retry';
import { untilAborted } from '../../foundation/timeout';
import type { BrokerConnection } from '../connection';
import { BrokerRefusal, describe } from '../errors';
import { WORK_QUEUES } from '../names';
import { declareParts, QUEUE_SPECS } from './topology';

export interface TopologyKeeperOptions {
  /** A connection of its own, because a refused declaration may take it down. */
  readonly connection: BrokerConnection;
  readonly log: Logger;
  /** How often everything is declared without a reason to do so. */
  readonly everyMs?: number;
  /** Called with the exchanges and queues that had disappeared and were declared again. */
  readonly onRestored?: (parts: readonly string[]) => void;
}

/** Short, because RabbitMQ does not report a lost exchange or binding. */
const EVERY_MS = 30_000;
/** The least pause between two checks, however many messages are returned meanwhile. */
const LEAST_PAUSE_MS = 1_000;
/** After this many checks in a row with nothing to restore, the caller is probably connected to another broker. */
const VAIN_CHECKS = 3;
/** A declaration that takes longer is reported, and awaited. */
const SLOW_MS = 10_000;

/**
 * Keeps the topology in place: declares all of it at once, on every reconnect, whenever {@link check} is called, and every
 * 30 s. A refusal of the broker does not end it: {@link problems} says what an operator must do, until that is done.
 *
 * States: *new* -> *in place* <-> *incomplete*, and from each of them -> *closed*.
 */
export class TopologyKeeper {
  readonly #options: TopologyKeeperOptions;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  readonly #ready: Promise<void>;
  #problems: readonly string[] = ['The broker topology is not declared yet.'];
  #wasInPlace = false;
  /** The exchanges whose work queues were missing, and when that was noticed. */
  readonly #losses = new Map<string, string>();
  /** Parts that the user was not allowed to declare: tried again only when a part seems to be missing. */
  readonly #forbidden = new Set<string>();
  /** The check that begins next, if it was asked for. */
  #asked: { promise: Promise<boolean>; settle: (isInPlace: boolean) => void } | undefined;
  /** Checks in a row that were asked for and found everything in place. */
  #vain = 0;
  #isReconnected = false;
  #wake = (): void => undefined;

  constructor(options: TopologyKeeperOptions) {
    this.#options = options;
    let resolve = (): void => undefined;
    let reject = (_: unknown): void => undefined;
    this.#ready = new Promise((...both) => ([resolve, reject] = both));
    this.#ready.catch(() => undefined); // callers need not wait for it
    this.#done = this.#run(resolve, reject);
    options.connection.on('up', this.#onUp);
    options.connection.once('closed', this.#onClosed);
    if (options.connection.closed) this.#onClosed();
  }

  /**
   * Resolves when everything is in place for the first time. Rejects with a {@link BrokerRefusal} if the broker refuses a
   * part before that; the keeper continues nevertheless.
   */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** What is wrong, and what an operator has to do. */
  problems(): string[] {
    const { connection } = this.#options;
    return connection.connected ? [...this.#problems] : connection.problems();
  }

  /** What works now but an operator should know: events may have been dropped. */
  hints(): string[] {
    return [...this.#losses].map(
      ([exchange, at]) =>
        `A queue of ${exchange} was missing at ${at}, and has been declared again. Without the policy that \`onecontact topology\` prints, RabbitMQ dropped the messages published meanwhile.`,
    );
  }

  /** Declares everything now, because a part seems to be missing. @returns whether everything is in place then */
  readonly check = (): Promise<boolean> => {
    if (this.#stopping.signal.aborted) return Promise.resolve(false);
    if (this.#asked === undefined) {
      let settle = (_: boolean): void => undefined;
      const promise = new Promise<boolean>((resolve) => (settle = resolve));
      this.#asked = { promise, settle };
      this.#wake();
    }
    return this.#asked.promise;
  };

  /** Final. Leaves the connection open. */
  close(): Promise<void> {
    this.#onClosed();
    return this.#done;
  }

  readonly #onUp = (): void => {
    this.#isReconnected = true;
    this.#wake();
  };

  readonly #onClosed = (): void => {
    this.#stopping.abort();
    this.#wake();
  };

  async #run(onReady: () => void, onRefused: (error: unknown) => void): Promise<void> {
    const { connection, everyMs = EVERY_MS } = this.#options;
    const stopping = this.#stopping.signal;
    const backoff = new Backoff(LEAST_PAUSE_MS, EVERY_MS);
    while (!stopping.aborted) {
      const asked = this.#asked;
      this.#asked = undefined;
      this.#isReconnected = false;
      if (asked !== undefined) this.#forbidden.clear();
      const refusal = await this.#declare();
      const isInPlace = refusal === undefined;
      asked?.settle(isInPlace);
      if (asked === undefined) this.#vain = 0;
      else if (this.#vain >= VAIN_CHECKS) this.#followUrl();
      if (isInPlace) {
        backoff.reset();
        onReady();
      } else if (refusal instanceof BrokerRefusal) {
        onRefused(refusal);
      }
      await pause(LEAST_PAUSE_MS, stopping);
      await this.#untilAsked(isInPlace ? everyMs - LEAST_PAUSE_MS : backoff.next());
    }
    connection.off('up', this.#onUp).off('closed', this.#onClosed);
    this.#asked?.settle(false);
    const isOver = connection.closed ? connection.ready() : Promise.resolve(); // rejects with the broker's refusal
    await isOver.then(() => onRefused(new Error('closed before the topology was declared')), onRefused);
  }

  /** Reconnects, because the host name in the URL may now lead to another broker. */
  #followUrl(): void {
    this.#vain = 0;
    this.#options.log.info('broker topology is declared but a consumer still misses a part, reconnecting');
    this.#options.connection.reconnect();
  }

  /** @returns the error, if not everything is in place */
  async #declare(): Promise<unknown> {
    const { connection, log } = this.#options;
    const slow = setTimeout(() => {
      this.#problems = [`The broker has not answered a declaration within ${SLOW_MS / 1_000} s: look at its log.`];
    }, SLOW_MS);
    const wasInPlace = this.#wasInPlace;
    const restored: string[] = []; // including those of an attempt that fails later
    try {
      // A close must not wait for a broker that is away.
      const declaring = declareParts(connection, this.#forbidden, restored);
      const declared = await untilAborted(declaring, this.#stopping.signal);
      if (declared === undefined) return new Error('closed');
      const { problems } = declared;
      if (problems.length > 0) throw new BrokerRefusal(problems.join('\n'));
      if (this.#problems.length > 0) log.info({ queues: QUEUE_SPECS.length }, 'broker topology is in place');
      this.#problems = [];
      this.#wasInPlace = true;
      this.#vain = restored.length === 0 ? this.#vain + 1 : 0;
      return undefined;
    } catch (error) {
      const { code, reason } = describe(error);
      const isRefusal = error instanceof BrokerRefusal;
      this.#problems = isRefusal
        ? reason.split('\n')
        : [`The broker topology could not be declared (${code ?? 'connection lost'}): the log has the reason.`];
      log.warn({ reason, code }, 'broker topology is incomplete');
      return error;
    } finally {
      if (wasInPlace) this.#noteRestored(restored);
      clearTimeout(slow);
    }
  }

  #noteRestored(restored: readonly string[]): void {
    if (restored.length === 0) return;
    const { log, onRestored } = this.#options;
    log.warn({ restored }, 'a part of the broker topology was missing, declared again');
    for (const [exchange, queue] of WORK_QUEUES) {
      if (restored.includes(`queue ${queue}`)) this.#losses.set(exchange, new Date().toISOString());
    }
    onRestored?.(restored);
  }

  async #untilAsked(ms: number): Promise<void> {
    if (this.#asked !== undefined || this.#isReconnected || this.#stopping.signal.aborted) return;
    const over = new AbortController();
    this.#wake = () => over.abort();
    await pause(ms, over.signal);
    this.#wake = () => undefined;
  }
}
