import { randomBytes } from 'node:crypto';
import { connect } from '../../src/rabbitmq/amqplib';
import { deleteAll } from '../../src/rabbitmq/topology/topology';
import { startAnotherBroker, startServices } from '../services';
import { onTeardown } from './global-teardown';
import { dropTemplate } from './template-database';

const VARIABLES = ['TEST_AMQP_URL', 'TEST_DATABASE_URL'];

/**
 * Starts the servers once a run, and passes them to Jest's workers as TEST_AMQP_URL and TEST_DATABASE_URL. A test file has
 * a broker to itself, so a run of all files has a second broker, ONECONTACT_SECOND_AMQP_URL.
 */
export default async function globalSetup({ nonFlagArgs }: { nonFlagArgs: readonly string[] }): Promise<void> {
  process.env.ONECONTACT_TEST_RUN = randomBytes(4).toString('hex'); // part of the names that this run creates on its servers
  if (process.env.ONECONTACT_SERVICES === 'none') return;
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const { amqpUrl, databaseUrl, from, stop } = await startServices({ log });
  const second = nonFlagArgs.length === 0 ? await startAnotherBroker({ from }, { log }) : undefined;
  if (second) process.env.ONECONTACT_SECOND_AMQP_URL = second.url;
  process.env.ONECONTACT_TEST_FROM = Object.values(from).join(); // for tests that start more servers
  const ours = VARIABLES.filter((variable) => !process.env[variable]);
  Object.assign(process.env, { TEST_AMQP_URL: amqpUrl, TEST_DATABASE_URL: databaseUrl });
  onTeardown(async () => {
    if (from.database === 'url') await dropTemplate();
    if (from.broker === 'url') await clearBroker(amqpUrl);
    for (const variable of ours) delete process.env[variable]; // watch mode sets up again
    await Promise.all([stop(), second?.stop()]);
  });
}

async function clearBroker(url: string): Promise<void> {
  const connection = await connect(url);
  try {
    await deleteAll(await connection.createChannel());
  } finally {
    await connection.close();
  }
}
