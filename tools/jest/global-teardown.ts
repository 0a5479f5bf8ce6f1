import { connect } from 'amqplib';
import { deleteAll } from '../../src/rabbitmq/topology';
import { forget } from './started';
import { dropTemplate } from './template-database';

/** Takes away what the run made on the user's servers, and stops what global-setup.ts started. */
export default async function globalTeardown(): Promise<void> {
  const run = forget();
  if (!run) return;
  const given = run.services.from;
  if (given.database === 'url') await dropTemplate();
  if (given.broker === 'url') await clearBroker(run.services.amqpUrl);
  for (const variable of run.ours) delete process.env[variable];
  await run.services.stop();
}

async function clearBroker(url: string): Promise<void> {
  const connection = await connect(url);
  try {
    await deleteAll(await connection.createChannel());
  } finally {
    await connection.close();
  }
}
