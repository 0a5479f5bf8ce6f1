import pino from 'pino';
import { brokerUrl, databaseUrl, readConfig } from '../config';
import { OperatorError } from '../foundation/operator-error';
import type { Secret } from '../foundation/secret';
import { type Database, openDatabase } from '../postgres/database';
import { requireSchema } from '../postgres/migrations/require-schema';
import { type BrokerConnection, openConnection } from '../rabbitmq/connection';
import { refusalOf, whyUnreachable } from '../rabbitmq/errors';
import { Publisher } from '../rabbitmq/publishing/publisher';

const SILENT = pino({ level: 'silent' });

/**
 * Opens the database of DATABASE_URL for one command, and closes it afterwards.
 *
 * @param max the maximum number of connections
 * @throws OperatorError when the database does not have the schema of this version
 */
export async function withDatabase<T>(env: NodeJS.ProcessEnv, work: (db: Database) => Promise<T>, max = 2): Promise<T> {
  const url = databaseUrl(readConfig(env, ['database']), SILENT);
  const db = openDatabase({ url, name: 'onecontact command', max, statementTimeoutMs: 0 });
  try {
    await requireSchema(db);
    return await work(db);
  } finally {
    await db.$disconnect();
  }
}

export interface Broker {
  /** A connection for consuming; `publisher` has its own. */
  connection: BrokerConnection;
  publisher: Publisher;
}

/** Connects to the broker of AMQP_URL for one command: see {@link connectedTo}. */
export const withBroker = <T>(env: NodeJS.ProcessEnv, work: (broker: Broker) => Promise<T>): Promise<T> =>
  connectedTo(brokerUrl(readConfig(env, ['broker']), SILENT), 'onecontact command', work);

/**
 * Connects to a broker for one piece of work, and closes everything afterwards.
 *
 * @param name of the connection, as the broker shows it
 * @throws OperatorError when the broker cannot be reached: an operator waits for the result
 */
export async function connectedTo<T>(url: Secret, name: string, work: (broker: Broker) => Promise<T>): Promise<T> {
  const log = SILENT;
  const closing: (() => Promise<void>)[] = [];
  const open = async (name: string): Promise<BrokerConnection> => {
    let onConnectFailed = (_: Error): void => undefined;
    const unreachable = new Promise<never>((_, reject) => {
      onConnectFailed = (error) => {
        // After a refusal, the connection tries again by itself, and rejects ready() once the refusal is final.
        if (refusalOf(error) === undefined) reject(new OperatorError(whyUnreachable(error), { cause: error }));
      };
    });
    unreachable.catch(() => undefined); // it may reject after the race
    const connection = await openConnection({ url, name, log, onConnectFailed: (error) => onConnectFailed(error) });
    closing.push(() => connection.close());
    await Promise.race([connection.ready(), unreachable]);
    return connection;
  };
  try {
    const connection = await open(name);
    const publisher = new Publisher({ connection: await open(`${name}, publishing`), log });
    closing.push(() => publisher.close());
    return await work({ connection, publisher });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}
