import { setTimeout as delay } from 'node:timers/promises';
import { FXA_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../../src/rabbitmq/names';
import { type Sample, sumOf } from '../../prometheus';
import type { PastFault } from '../faults/injector';
import type { Participants } from '../participants';

const INTERVAL_MS = 500;
/** Limits waiting for a server that is down. */
const ANSWER_MS = 2_000;

interface Depths {
  /** Ready messages in the queues that the workers consume. */
  work: number;
  retry: number;
}

/** Measures a run in progress: messages handled, backlogs, stalls and memory. */
export class Monitor {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** When something was handled, in milliseconds since 1970. */
  readonly #progress: number[] = [Date.now()];
  handled = 0;
  depths: Depths | undefined;
  outbox: number | undefined;
  merges = 0;
  maxBacklog = 0;
  /** When a look at the work queues that found them empty was begun, as `performance.now()`. */
  emptyAt = 0;
  maxOutbox = 0;
  maxRetry = 0;
  /** The longest time without progress while messages waited. */
  longestStall = { ms: 0, from: 0, until: 0 };

  constructor(private readonly participants: Participants) {
    this.#running = this.#run();
  }

  get maxMemory(): number {
    return Math.max(...this.participants.workers.map(({ maxMemory }) => maxMemory));
  }

  /** The counters of all workers. */
  counters(): Sample[] {
    return this.participants.workers.flatMap((worker) => worker.counters());
  }

  /** Milliseconds from a fault's end until something was handled; undefined if nothing was. */
  recoveryAfter({ until }: PastFault): number | undefined {
    const next = this.#progress.find((time) => time >= until);
    return next === undefined ? undefined : next - until;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const workers = this.participants.workers.map((worker) => worker.measure());
      await Promise.all([...workers, this.#measureBroker(), this.#measureDatabase()]);
      this.#measureProgress();
      await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #measureProgress(): void {
    const now = Date.now();
    const handled = sumOf(this.counters(), 'onecontact_messages_total');
    const last = this.#progress.at(-1) as number;
    const isWaiting = (this.depths?.work ?? 1) > 0; // unknown while the broker is down
    if (handled > this.handled || !isWaiting) {
      this.#progress.push(now);
      this.handled = Math.max(this.handled, handled);
    } else if (now - last > this.longestStall.ms) {
      this.longestStall = { ms: now - last, from: last, until: now };
    }
  }

  async #measureBroker(): Promise<void> {
    const now = performance.now();
    this.depths = await answerInTime(async () => {
      const { broker } = this.participants.direct;
      if (!broker.connected) return undefined;
      const channel = await broker.createChannel();
      channel.on('error', () => undefined);
      const count = async (queues: string[]): Promise<number> => {
        let sum = 0;
        for (const queue of queues) sum += (await channel.checkQueue(queue)).messageCount;
        return sum;
      };
      const depths = {
        work: await count([FXA_QUEUE, NEWSLETTER_QUEUE]),
        retry: await count(RETRY_DELAYS.map(retryQueue)),
      };
      void channel.close().catch(() => undefined);
      return depths;
    });
    if (this.depths?.work === 0) this.emptyAt = now;
    this.maxBacklog = Math.max(this.maxBacklog, this.depths?.work ?? 0);
    this.maxRetry = Math.max(this.maxRetry, this.depths?.retry ?? 0);
  }

  async #measureDatabase(): Promise<void> {
    const counts = await answerInTime(async () => {
      if (!this.participants.database.up) return undefined;
      const [row] = await this.participants.direct.database.$queryRaw<{ outbox: number; merges: number }[]>`
        SELECT (SELECT count(*)::int FROM outbox) AS outbox, (SELECT count(*)::int FROM merge) AS merges`;
      return row;
    });
    this.outbox = counts?.outbox;
    this.merges = counts?.merges ?? this.merges;
    this.maxOutbox = Math.max(this.maxOutbox, counts?.outbox ?? 0);
  }
}

async function answerInTime<T>(work: () => Promise<T>): Promise<T | undefined> {
  const late = new AbortController();
  const timeout = delay(ANSWER_MS, undefined, { signal: late.signal }).catch(() => undefined);
  try {
    return await Promise.race([work(), timeout]);
  } catch {
    return undefined;
  } finally {
    late.abort();
  }
}
