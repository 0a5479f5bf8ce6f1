import { randomBytes } from 'node:crypto';
import { startServices } from '../services';
import { remember, VARIABLES } from './started';

/** Starts what the tests run against, once a run, and tells the workers of it by TEST_AMQP_URL and TEST_DATABASE_URL. */
export default async function globalSetup(): Promise<void> {
  process.env.ONECONTACT_TEST_RUN = randomBytes(4).toString('hex'); // names what this run makes on its servers
  if (process.env.ONECONTACT_SERVICES === 'none') return; // for tests that need neither
  const services = await startServices({ log: (line) => process.stderr.write(`${line}\n`) });
  const urls = { TEST_AMQP_URL: services.amqpUrl, TEST_DATABASE_URL: services.databaseUrl };
  process.env.ONECONTACT_TEST_FROM = Object.values(services.from).join(); // for tests that start servers of their own
  // In watch mode this runs again and again: what the user has not set is taken away again at the end.
  const ours = VARIABLES.filter((variable) => !process.env[variable]);
  Object.assign(process.env, urls);
  remember({ services, ours });
}
