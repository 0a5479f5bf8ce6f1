/** Faults of what OneContact stands on: its topology, a fail-over of the database, a pooler, an alarm of the broker. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { FXA_EVENTS, FXA_QUEUE, NEWSLETTER_EVENTS, NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import type { Participants } from '../participants';
import type { ChaosDatabase } from '../servers/database';
import type { Outage } from './outage';

/** A base backup and its replay take seconds. */
const READY_MS = 60_000;
const LOOK_MS = 200;
/** The broker counts the messages of a queue every 5 s. */
const COUNTED_MS = 6_000;

const PAIRS = [
  { exchange: FXA_EVENTS, queue: FXA_QUEUE },
  { exchange: NEWSLETTER_EVENTS, queue: NEWSLETTER_QUEUE },
] as const;

/** Deletes a work queue, its exchange, or the binding between them. The service has to declare it again. */
export function topologyDeleted(participants: Participants, target: number): Outage {
  const { exchange, queue } = PAIRS[target % 2 === 0 ? 0 : 1];
  const isBound = async (): Promise<boolean> => {
    const bindings = await participants.broker.bindings();
    return bindings.some(({ source_name, destination_name }) => source_name === exchange && destination_name === queue);
  };
  const nothing = (): void => undefined;
  const kinds: Outage[] = [
    {
      what: `queue ${queue} deleted`,
      begin: () => deleteEmptied(participants, queue),
      end: nothing,
      isDeclaredAgain: async () => {
        let consumers = 0;
        await onChannel(participants, async (channel) => {
          consumers = (await channel.checkQueue(queue)).consumerCount;
        });
        return consumers > 0;
      },
    },
    {
      what: `exchange ${exchange} deleted`,
      begin: () => onChannel(participants, (channel) => channel.deleteExchange(exchange)),
      end: nothing,
      isDeclaredAgain: isBound,
    },
    {
      what: `binding of ${queue} removed`,
      begin: () => onChannel(participants, (channel) => channel.unbindQueue(queue, exchange, '#')),
      end: nothing,
      isDeclaredAgain: isBound,
    },
  ];
  return kinds[Math.floor(target / 2) % kinds.length] as Outage;
}

/**
 * Deletes a work queue that has no messages, ready or unacknowledged: those in it would be lost, which is what deleting
 * means. Producers are held back meanwhile.
 */
async function deleteEmptied(participants: Participants, queue: string): Promise<void> {
  const { broker, producerProxies } = participants;
  for (const proxy of producerProxies) proxy.hold('all');
  try {
    // Messages in retry queues return to the work queue.
    const mayFill = (name: string): boolean => name === queue || name.startsWith('contacts.retry.');
    let emptySince = Number.POSITIVE_INFINITY;
    await until(async () => {
      const now = performance.now();
      const isEmpty = (await broker.queues()).every(({ name, messages }) => !mayFill(name) || messages === 0);
      emptySince = isEmpty ? Math.min(emptySince, now) : Number.POSITIVE_INFINITY;
      return now - emptySince > COUNTED_MS;
    });
    await onChannel(participants, (channel) => channel.deleteQueue(queue));
  } finally {
    for (const proxy of producerProxies) proxy.restore();
  }
}

/** The primary dies, its name leads to the standby, and after a while that is promoted. */
export function standbyPromoted(participants: Participants): Outage {
  let standby: ChaosDatabase;
  return {
    what: 'standby promoted',
    async prepare() {
      standby = await participants.database.startStandby();
      // What was committed is on the standby: otherwise the fail-over itself would lose it.
      await participants.database.waitForStandby();
    },
    async begin() {
      await participants.database.down('killed');
      participants.databaseSwitch.lead(standby.url);
      participants.databaseSwitch.cut();
    },
    async end() {
      await standby.promote();
      await participants.database.stop();
      participants.database = standby;
    },
    red: { workers: participants.workers },
  };
}

export function poolerRestarted({ pooler, pooled }: Participants, how: 'killed' | 'stopped'): Outage {
  return {
    what: `pooler ${how}`,
    begin: () => pooler.down(how),
    end: () => pooler.restart(),
    red: { workers: pooled },
  };
}

/** The broker takes no more messages. It tells a connection so when that publishes, and no other. */
export function memoryAlarm({ broker, workers, direct }: Participants): Outage {
  return {
    what: 'memory alarm',
    begin: () => broker.ctl('set_vm_memory_high_watermark', '0'),
    end: () => broker.ctl('set_vm_memory_high_watermark', '0.6'),
    red: { workers, enough: 1, once: async () => (await direct.database.outbox.count()) > 0 },
  };
}

export async function onChannel(
  participants: Participants,
  work: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  const channel = await participants.direct.broker.createChannel();
  channel.on('error', () => undefined);
  await work(channel);
  await channel.close();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + READY_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not ready after ${READY_MS / 1000} s`);
    await delay(LOOK_MS);
  }
}
