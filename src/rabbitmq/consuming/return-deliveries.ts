import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { type BrokerConnection, closeChannel } from '../connection';
import type { ChannelLedger } from './delivery';

/** Deliveries that are on their way arrive within this time. */
const QUIET_MS = 1_000;
/** Returned messages are in the queue again within this time, unless the broker has a problem. */
const RETURNED_MS = 3_000;

/**
 * Waits until the broker pushes nothing more, because the prefetch is used up or the queue is empty. A message that is on
 * its way during a cancel would return to the head of the queue, whatever its old place was.
 */
export async function untilQuiet(channel: Channel, queue: string, ledger: ChannelLedger): Promise<void> {
  for (let still = 0, end = performance.now() + QUIET_MS; still < 3 && performance.now() < end; still++) {
    const { open } = ledger;
    await channel.checkQueue(queue).catch(() => undefined);
    await delay(5);
    if (ledger.open !== open) still = -1;
  }
}

/** Returns all unacknowledged deliveries of a channel to their places, and waits until the queue has them again. */
export async function returnDeliveries(
  connection: BrokerConnection,
  channel: Channel,
  queue: string,
  count: number,
): Promise<void> {
  // Before 4.0 a nack returns a message to the end of the queue and a closed channel to its place. Since 4.0 both return
  // it to its place; since 4.3 only the closed channel counts as a failed delivery.
  if (Number.parseInt(connection.serverProperties?.version ?? '', 10) >= 4) channel.nackAll(true);
  else await closeChannel(channel);
  const other = await connection.createChannel().catch(() => undefined);
  if (other === undefined) return;
  other.on('error', () => undefined);
  for (const end = performance.now() + RETURNED_MS; performance.now() < end; await delay(10)) {
    const { messageCount } = await other.checkQueue(queue).catch(() => ({ messageCount: count }));
    if (messageCount >= count) break;
  }
  await closeChannel(other);
}
