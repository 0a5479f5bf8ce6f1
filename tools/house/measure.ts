/**
 * `npm run house`: how much code there is, and how many files a message passes through between delivery and ack.
 *
 * The way of a message is measured, not read from the imports: the service runs in this process, with its workers alone,
 * on a real broker and a real database, and V8 counts which functions are called while one message is handled.
 */
import { type Profiler, Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConfirmChannel } from 'amqplib';
import { Client } from 'pg';
import pino from 'pino';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { migrate } from '../../src/postgres/migrations/migrate';
import { connect } from '../../src/rabbitmq/amqplib';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { accountMade, makeUid, primaryChanged, type Sent, signUp } from '../demo/messages';
import { startServices } from '../services';
import { CHECKOUT, countCode, sourceFiles } from './source-files';

const PATIENCE_MS = 20_000;
const POLL_MS = 20;
/** From the commit, which the database shows, to the ack, which only the broker sees. */
const UNTIL_ACK_MS = 500;

interface Servers {
  channel: ConfirmChannel;
  database: Client;
}

async function main(): Promise<void> {
  printSizes();
  const services = await startServices({ log: () => undefined });
  try {
    await migrate(services.databaseUrl);
    const config = readConfig(
      { AMQP_URL: services.amqpUrl, DATABASE_URL: services.databaseUrl, HTTP_PORT: '0', NODE_ENV: 'test' },
      SERVICE_NEEDS,
    );
    const service = await startService(config, { only: ['fxa', 'newsletter'], log: pino({ level: 'silent' }) });
    const broker = await connect(services.amqpUrl);
    const database = new Client(services.databaseUrl);
    await database.connect();
    await measureWays({ channel: await broker.createConfirmChannel(), database });
    await database.end();
    await broker.close();
    await service.stop();
  } finally {
    await services.stop();
  }
}

function printSizes(): void {
  print('Lines of code, without comments and blanks:');
  for (const [folder, what] of [
    ['src', 'product'],
    ['tools', 'tooling'],
    ['test', 'tests'],
  ] as const) {
    const files = sourceFiles(folder);
    print(`  ${what.padEnd(8)} ${String(sumOfCode(files)).padStart(6)} in ${files.length} files`);
  }
}

/** A sign-up by a new reader, and an account event that merges that reader's contact into the account's. */
async function measureWays(servers: Servers): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

  const uid = makeUid();
  const liveContacts = 'SELECT count(*)::int AS n FROM contact WHERE state = $$live$$';
  const merges = 'SELECT count(*)::int AS n FROM merge';
  // The first messages load and prepare what later ones only use.
  await handle(servers, signUp('first@mail.test', 'weekly'), liveContacts, 1);
  await handle(servers, accountMade(uid, 'account@mail.test'), liveContacts, 2);

  await calledFiles(session);
  await handle(servers, signUp('lone@mail.test', 'weekly'), liveContacts, 3);
  printWay('A sign-up', await calledFiles(session));

  await handle(servers, primaryChanged(uid, 'lone@mail.test'), merges, 1);
  printWay('A collision', await calledFiles(session));
  session.disconnect();
}

/** Publishes a message, and waits until the worker has committed and acknowledged it. */
async function handle({ channel, database }: Servers, message: Sent, query: string, expected: number): Promise<void> {
  const { exchange, routingKey, body } = message;
  channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(body)));
  await channel.waitForConfirms();
  const end = performance.now() + PATIENCE_MS;
  const isHandled = async (): Promise<boolean> => (await database.query(query)).rows[0].n === expected;
  while (!(await isHandled())) {
    if (performance.now() > end) throw new Error(`${routingKey} was not handled within ${PATIENCE_MS / 1_000} s`);
    await delay(POLL_MS);
  }
  await delay(UNTIL_ACK_MS);
  for (const queue of [FXA_QUEUE, NEWSLETTER_QUEUE]) {
    const { messageCount } = await channel.checkQueue(queue);
    if (messageCount > 0) throw new Error(`${queue} is not empty`);
  }
}

/** The files of `src` with functions that were called since the previous call: taking the coverage resets the counts. */
async function calledFiles(session: Session): Promise<string[]> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const sources = new Set(sourceFiles('src'));
  return result
    .filter(({ functions }) => functions.some((called) => called.ranges[0]!.count > 0 && !isExportGetter(called)))
    .map(({ url }) => (url.startsWith('file:') ? fileURLToPath(url) : url).slice(CHECKOUT.length + 1))
    .filter((file) => sources.has(file))
    .sort();
}

/** The compiler exports `name` as the getter `() => name`, which runs at each use in another file. */
function isExportGetter({ functionName, ranges }: Profiler.FunctionCoverage): boolean {
  const { startOffset, endOffset } = ranges[0]!;
  return functionName !== '' && endOffset - startOffset <= '() => '.length + functionName.length;
}

function printWay(title: string, files: readonly string[]): void {
  print(`\n${title}, between delivery and ack: ${files.length} files, ${sumOfCode(files)} lines of code`);
  for (const file of files) print(`  ${file}`);
}

function sumOfCode(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + countCode(file), 0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
