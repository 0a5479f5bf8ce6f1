import { setTimeout as delay } from 'node:timers/promises';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../../src/rabbitmq/names';
import type { Participants } from '../participants';
import type { Monitor } from './monitor';

/** Without progress for this long, nothing more will happen unless messages wait in retry queues. */
const PATIENCE_MS = 180_000;
/** Longer than all retry delays together. */
const RETRY_PATIENCE_MS = 15 * 60_000;

const MUST_BE_EMPTY = new Set<string>([FXA_QUEUE, NEWSLETTER_QUEUE, MAILER_QUEUE, ...RETRY_DELAYS.map(retryQueue)]);

export interface Drained {
  /** What remains in queues and the outbox; empty when all is well. */
  left: string[];
  ms: number;
  /** The number of nodes that have each queue. */
  members: Map<string, number>;
}

/** Waits until all queues and the outbox are empty, or nothing progresses. */
export async function untilDrained(
  participants: Participants,
  monitor: Monitor,
  signal: AbortSignal,
): Promise<Drained> {
  const begin = performance.now();
  let last = { at: begin, handled: -1, outbox: -1 };
  let left: string[] = ['nothing was looked at'];
  let members = new Map<string, number>();
  for (;;) {
    signal.throwIfAborted();
    const now = performance.now();
    const { handled, outbox = -1, depths } = monitor;
    if (handled !== last.handled || outbox !== last.outbox) last = { at: now, handled, outbox };
    const patience = (depths?.retry ?? 0) > 0 ? RETRY_PATIENCE_MS : PATIENCE_MS;
    if (now - last.at > patience) return { left, ms: now - begin, members };
    await delay(500, undefined, { signal });
    if (monitor.depths?.work !== 0 || monitor.outbox !== 0) {
      left = [`${monitor.depths?.work ?? '?'} messages to handle, ${monitor.outbox ?? '?'} to publish`];
      continue;
    }
    // This count includes unacknowledged messages. It is expensive, so it comes last.
    const queues = await participants.broker.queues().catch(() => undefined);
    if (queues === undefined) continue;
    members = new Map(queues.map(({ name, members: nodes }) => [name, nodes.length]));
    const full = queues.filter(({ name, messages }) => MUST_BE_EMPTY.has(name) && messages > 0);
    left = full.map(({ name, messages }) => `${messages} in ${name}`);
    const pending = await participants.direct.database.outbox.count().catch(() => undefined);
    if (pending !== 0) left.push(`${pending ?? '?'} in the outbox`);
    if (left.length === 0) return { left, ms: performance.now() - begin, members };
  }
}
