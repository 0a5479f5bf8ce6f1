/** Looks at the run while it goes on: how far it is, how long nothing moved, how much memory the workers need. */
import { setTimeout as delay } from 'node:timers/promises';
import { DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { sumOf } from './counters';
import type { Happened } from './faults';
import type { Stage } from './stage';

const LOOK_MS = 500;
/** A look at a server that is away takes no longer. */
const ANSWER_MS = 2_000;

export interface Depths {
  /** Ready in the queues that the workers consume. */
  work: number;
  retry: number;
  dead: number;
}

export class Watch {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** When something was handled, in milliseconds since 1970. */
  readonly #progress: number[] = [Date.now()];
  handled = 0;
  depths: Depths | undefined;
  outbox: number | undefined;
  merges = 0;
  maxBacklog = 0;
  maxOutbox = 0;
  maxRetry = 0;
  /** The longest time in which nothing was handled although something waited. */
  longestStall = { ms: 0, from: 0, until: 0 };

  constructor(private readonly stage: Stage) {
    this.#running = this.#run();
  }

  get maxMemory(): number {
    return Math.max(...this.stage.workers.map((worker) => worker.maxMemory));
  }

  /** Counters of all workers. */
  counters(): Map<string, number> {
    const all = new Map<string, number>();
    for (const worker of this.stage.workers)
      for (const [name, value] of worker.counters()) all.set(name, (all.get(name) ?? 0) + value);
    return all;
  }

  /** Milliseconds from the end of a fault until something was handled again; undefined when nothing was. */
  recoveryAfter({ until }: Happened): number | undefined {
    const next = this.#progress.find((time) => time >= until);
    return next === undefined ? undefined : next - until;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await Promise.all([
        ...this.stage.workers.map((worker) => worker.look()),
        this.#lookAtBroker(),
        this.#lookAtDatabase(),
      ]);
      this.#compare();
      await delay(LOOK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #compare(): void {
    const now = Date.now();
    const handled = sumOf(this.counters(), /^onecontact_messages_total/);
    const last = this.#progress.at(-1) as number;
    const waiting = (this.depths?.work ?? 1) > 0; // of a broker that is away, one must assume it
    if (handled > this.handled || !waiting) {
      this.#progress.push(now);
      this.handled = Math.max(this.handled, handled);
    } else if (now - last > this.longestStall.ms) {
      this.longestStall = { ms: now - last, from: last, until: now };
    }
  }

  async #lookAtBroker(): Promise<void> {
    this.depths = await soon(async () => {
      const { broker } = this.stage.direct;
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
        dead: await count([DEAD_LETTERS]),
      };
      void channel.close().catch(() => undefined);
      return depths;
    });
    this.maxBacklog = Math.max(this.maxBacklog, this.depths?.work ?? 0);
    this.maxRetry = Math.max(this.maxRetry, this.depths?.retry ?? 0);
  }

  async #lookAtDatabase(): Promise<void> {
    const counts = await soon(async () => {
      if (!this.stage.database.up) return undefined;
      const [row] = await this.stage.direct.database.$queryRaw<{ outbox: number; merges: number }[]>`
        SELECT (SELECT count(*)::int FROM outbox) AS outbox, (SELECT count(*)::int FROM merge) AS merges`;
      return row;
    });
    this.outbox = counts?.outbox;
    this.merges = counts?.merges ?? this.merges;
    this.maxOutbox = Math.max(this.maxOutbox, counts?.outbox ?? 0);
  }
}

async function soon<T>(work: () => Promise<T>): Promise<T | undefined> {
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
