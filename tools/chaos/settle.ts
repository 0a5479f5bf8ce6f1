/** After load and faults: waits until nothing is on its way any more. */
import { setTimeout as delay } from 'node:timers/promises';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import type { Stage } from './stage';
import type { Watch } from './watch';

/** When nothing has moved for so long, nothing will, but for what waits on the ladder. */
const PATIENCE_MS = 180_000;
/** The whole ladder, and some. */
const LADDER_MS = 15 * 60_000;

const MUST_BE_EMPTY = new Set<string>([FXA_QUEUE, NEWSLETTER_QUEUE, MAILER_QUEUE, ...RETRY_DELAYS.map(retryQueue)]);

export interface Settled {
  /** What is left all the same; empty when all is well. */
  left: string[];
  ms: number;
  /** Queues and the number of nodes that have each. */
  members: Map<string, number>;
}

export async function settle(stage: Stage, watch: Watch, signal: AbortSignal): Promise<Settled> {
  const begin = performance.now();
  let last = { at: begin, handled: -1, outbox: -1 };
  let left: string[] = ['nothing was looked at'];
  let members = new Map<string, number>();
  for (;;) {
    signal.throwIfAborted();
    const now = performance.now();
    const { handled, outbox = -1, depths } = watch;
    if (handled !== last.handled || outbox !== last.outbox) last = { at: now, handled, outbox };
    const waits = (depths?.retry ?? 0) > 0 ? LADDER_MS : PATIENCE_MS;
    if (now - last.at > waits) return { left, ms: now - begin, members };
    await delay(500, undefined, { signal });
    if (watch.depths?.work !== 0 || watch.outbox !== 0) {
      left = [`${watch.depths?.work ?? '?'} messages to handle, ${watch.outbox ?? '?'} to publish`];
      continue;
    }
    // Exact, with what was delivered and not acknowledged, but dear: so only now.
    const queues = await stage.broker.queues().catch(() => undefined);
    if (queues === undefined) continue;
    members = new Map(queues.map(({ name, members: nodes }) => [name, nodes.length]));
    const full = queues.filter(({ name, messages }) => MUST_BE_EMPTY.has(name) && messages > 0);
    left = full.map(({ name, messages }) => `${messages} in ${name}`);
    const pending = await stage.direct.database.outbox.count().catch(() => undefined);
    if (pending !== 0) left.push(`${pending ?? '?'} in the outbox`);
    if (left.length === 0) return { left, ms: performance.now() - begin, members };
  }
}
