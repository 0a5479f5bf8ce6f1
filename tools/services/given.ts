import type { Channel, ChannelModel } from 'amqplib';
import { Client } from 'pg';
import { connect } from '../../src/rabbitmq/amqplib';
import { QUEUES } from '../../src/rabbitmq/names';
import { type Context, type Service, Unavailable } from './types';

/** A local server answers at once. */
const ANSWER_MS = 10_000;

const nothing = async (): Promise<void> => undefined;

/** The broker that TEST_AMQP_URL names. AMQP_URL is never read: its broker may hold real people's data. */
export async function givenBroker({ env }: Context): Promise<Service> {
  const url = given(env, 'TEST_AMQP_URL');
  const connection = await connect(url, { timeout: ANSWER_MS }).catch((error: Error) => {
    throw new Error(`the broker of TEST_AMQP_URL (${shown(url)}) does not answer: ${error.message}`);
  });
  connection.on('error', () => undefined);
  try {
    const { version } = connection.connection.serverProperties;
    for (const queue of QUEUES) {
      if (await exists(connection, (channel) => channel.checkQueue(queue)))
        throw new Error(
          `TEST_AMQP_URL (${shown(url)}) names a virtual host that already has the queue ${queue}. Tests and the demo ` +
            'use only an empty one, because they would consume the messages of others. Create a virtual host for them alone',
        );
    }
    return { url, version: `RabbitMQ ${version}`, stop: nothing };
  } finally {
    await connection.close().catch(nothing);
  }
}

/** Whether the broker has what is checked. A failed check closes its channel, so each gets its own. */
export async function exists(
  connection: ChannelModel,
  check: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  return check(channel).then(
    () => true,
    () => false,
  );
}

/** The database that TEST_DATABASE_URL names; DATABASE_URL is never read. */
export async function givenDatabase({ env }: Context): Promise<Service> {
  const url = given(env, 'TEST_DATABASE_URL');
  // Prisma's own parameter, unknown to plain connections: they would check one schema and Prisma work in another.
  if (new URL(url).searchParams.has('schema'))
    throw new Error('TEST_DATABASE_URL has ?schema=, which is not supported. Give a database of its own');
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ANSWER_MS });
  try {
    await client.connect().catch((error: Error) => {
      throw new Error(`the database of TEST_DATABASE_URL (${shown(url)}) does not answer: ${error.message}`);
    });
    const { rows } = await client.query<{ version: string; table: string | null }>(
      `SELECT current_setting('server_version') AS version,
              (SELECT min(table_name) FROM information_schema.tables WHERE table_schema = current_schema()) AS table`,
    );
    if (rows[0]?.table)
      throw new Error(
        `TEST_DATABASE_URL (${shown(url)}) names a database that already has tables (such as ` +
          `${rows[0].table}). Tests and the demo use only an empty one. Create a database for them alone`,
      );
    return { url, version: `PostgreSQL ${rows[0]?.version.split(' ')[0]}`, stop: nothing };
  } finally {
    await client.end().catch(nothing);
  }
}

function given(env: NodeJS.ProcessEnv, variable: 'TEST_AMQP_URL' | 'TEST_DATABASE_URL'): string {
  const url = env[variable];
  if (!url) throw new Unavailable(`${variable} is not set`);
  if (!URL.canParse(url)) throw new Error(`${variable} is not a URL`);
  return url;
}

/** Without its password. */
function shown(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
