/** Looks at what is on the broker, and declares nothing. */
import type { Channel } from 'amqplib';
import { type BrokerConnection, closeChannel } from '../connection';
import { codeOf } from '../errors';
import { EXCHANGES, QUEUES } from '../names';
import { requireVersion } from './topology';

export interface QueueState {
  /** That wait to be delivered. */
  messages: number;
  consumers: number;
}

export interface Inspection {
  version: string;
  /** Our exchanges and queues that do not exist. A missing binding cannot be seen. */
  missing: readonly string[];
  queues: ReadonlyMap<string, QueueState>;
}

/** Rejects with a `BrokerRefusal` if the broker is unsuitable. */
export async function inspectBroker(connection: BrokerConnection): Promise<Inspection> {
  requireVersion(connection.serverProperties ?? {});
  const missing: string[] = [];
  const queues = new Map<string, QueueState>();
  const open: { channel?: Channel | undefined } = {};
  /** @returns undefined if it does not exist, which has closed the channel */
  const look = async <T>(what: string, work: (channel: Channel) => PromiseLike<T>): Promise<T | undefined> => {
    if (open.channel === undefined) {
      open.channel = await connection.createChannel();
      open.channel.on('error', () => undefined); // the failed request rejects with the same error
    }
    try {
      return await work(open.channel);
    } catch (error) {
      open.channel = undefined;
      if (codeOf(error) !== 404) throw error;
      missing.push(what);
      return undefined;
    }
  };
  try {
    for (const name of EXCHANGES) await look(`exchange ${name}`, (channel) => channel.checkExchange(name));
    for (const name of QUEUES) {
      const state = await look(`queue ${name}`, (channel) => channel.checkQueue(name));
      if (state) queues.set(name, { messages: state.messageCount, consumers: state.consumerCount });
    }
  } finally {
    if (open.channel !== undefined) await closeChannel(open.channel);
  }
  return { version: String(connection.serverProperties?.version), missing, queues };
}
