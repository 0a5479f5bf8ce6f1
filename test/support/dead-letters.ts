import type { ConsumeMessage } from 'amqplib';
import { DEAD_LETTERS } from '../../src/rabbitmq/names';
import type { TestBroker } from './broker';

/** Publishes dead letters as a worker does. @returns their bodies: 1, 2, 3, … */
export async function addDeadLetters(
  broker: TestBroker,
  count: number,
  headers: Record<string, unknown> = {},
): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, i) => String(i + 1));
  const death = { reason: 'failed', error: 'P0001', attempts: 5, 'origin-queue': 'contacts.newsletter' };
  const seen = { 'first-seen': '2026-01-21T10:00:00.000Z', 'last-seen': '2026-01-21T10:13:00.000Z' };
  await broker.send('', DEAD_LETTERS, bodies, { persistent: true, headers: { ...death, ...seen, ...headers } });
  return bodies;
}

/** Removes all messages of a queue. @returns their bodies, in order */
export async function drain(broker: TestBroker, queue = DEAD_LETTERS): Promise<string[]> {
  const left = await broker.ready(queue);
  const channel = await broker.channel();
  const bodies: string[] = [];
  const all = new Promise<void>((resolve) => {
    const onMessage = (message: ConsumeMessage | null): void => {
      bodies.push(String(message?.content));
      if (bodies.length === left) resolve();
    };
    if (left === 0) resolve();
    else void channel.consume(queue, onMessage, { noAck: true });
  });
  await all;
  await channel.close();
  return bodies;
}
