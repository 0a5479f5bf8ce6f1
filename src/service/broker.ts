import { brokerUrl, type ConfigFor } from '../config';
import { OperatorError } from '../foundation/operator-error';
import { observeConnection } from '../observability/observe-service';
import { type BrokerConnection, openConnection } from '../rabbitmq/connection';
import { Publisher } from '../rabbitmq/publishing/publisher';
import { TopologyKeeper } from '../rabbitmq/topology/topology-keeper';
import type { Wiring } from './wiring';

export interface Broker {
  connections: readonly BrokerConnection[];
  /** Null if no queue is consumed. */
  consuming: BrokerConnection | null;
  /** For workers and the relay; null if none of them runs. */
  publisher: Publisher | null;
  /** Intake has another publisher, so that its messages cannot hold up retries, dead letters and notifications. */
  intake: Publisher | null;
  topology: TopologyKeeper;
}

/** Opens all connections without waiting for the broker: until it answers, the health check says why it does not. */
export async function openBroker(config: Partial<ConfigFor<'broker'>>, wiring: Wiring): Promise<Broker> {
  const { only, health, metrics, log, closing } = wiring;
  const { amqpUrl, amqpUrlFile = null } = config;
  if (amqpUrl === undefined)
    throw new OperatorError('AMQP_URL is not set: all parts but http and maintenance need it.');
  const url = brokerUrl({ amqpUrl, amqpUrlFile }, log);
  const connections: BrokerConnection[] = [];
  const open = async (name: string, topology?: TopologyKeeper): Promise<BrokerConnection> => {
    const connection = await openConnection({ url, name: `onecontact ${name}`, log, ...(topology && { topology }) });
    closing.push(() => connection.close());
    connections.push(connection);
    return connection;
  };
  const onRestored = (parts: readonly string[]): void => metrics.topologyRestored.inc(parts.length);
  const topology = new TopologyKeeper({ connection: await open('topology'), log, onRestored });
  closing.push(() => topology.close());
  health.watch('topology', topology);
  const connect = async (name: string): Promise<BrokerConnection> => {
    const connection = await open(name, topology);
    observeConnection(metrics, name, connection);
    return connection;
  };
  const publisherOn = async (name: string, part: string): Promise<Publisher> => {
    const publisher = new Publisher({ connection: await connect(name), log });
    closing.push(() => publisher.close());
    health.watch(part, publisher);
    return publisher;
  };
  const consumes = only.includes('fxa') || only.includes('newsletter');
  // Connections are opened before publishers, because they are closed after them.
  const consuming = consumes ? await connect('consumer') : null;
  const publisher = consumes || only.includes('relay') ? await publisherOn('publisher', 'publishing') : null;
  const intake = only.includes('intake') ? await publisherOn('intake', 'intake') : null;
  return { connections, consuming, publisher, intake, topology };
}
