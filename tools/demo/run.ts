import { connect } from 'node:net';
import pino, { type Logger } from 'pino';
import { stopRequested } from '../../src/cli/stop-signal';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { type Database, openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';
import { cleanUp, lookAround } from './clean';
import { Report, type ReportOptions } from './report';
import { SCENES } from './scenes';
import { bringServices, type Services } from './services';
import { ExpectationFailed, setStage } from './stage';

export interface DemoOptions extends ReportOptions {
  env: NodeJS.ProcessEnv;
}

/**
 * The whole of it on a real broker and a real database: three scenes, each step verified. Ends by itself, leaves nothing
 * running and nothing behind.
 *
 * @returns whether everything was as it should be.
 */
export async function runDemo({ env, ...options }: DemoOptions): Promise<boolean> {
  const begin = performance.now();
  const report = new Report(options);
  report.heading('OneContact: one person, one contact record');
  report.note('Bringing a broker and a database (the first time, they may have to be fetched) …');
  const services = await bringServices(env, (line) => report.note(line));
  const interrupted = new AbortController();
  void stopRequested().then(() => interrupted.abort(new ExpectationFailed('the demo to be left to its end')));

  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  await attempt(report, () => onServices(services, { report, log, signal: interrupted.signal }));
  await attempt(report, () => services.stop());
  await checkNothingLeft(services, report);

  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  if (report.failed > 0) {
    report.say(
      report.paint('red', `\n${report.failed} of ${report.failed + report.passed} checks failed (${seconds} s)`),
    );
    if (logged.length > 0) report.note(`What the service logged:\n${logged.slice(-20).join('').trimEnd()}`);
    return false;
  }
  report.say(report.paint('green', `\nAll ${report.passed} checks passed in ${seconds} s`));
  report.say('\nWhat to do next:');
  report.say('  npm test                                    each guarantee, proven on these two servers');
  report.say('  npm run -s onecontact -- --help             all commands');
  report.say('  AMQP_URL=… DATABASE_URL=… npm run -s onecontact -- start --migrate\n');
  return true;
}

/** What goes wrong in a part of the demo fails the demo, but not the parts after it: cleaning up is one. */
async function attempt(report: Report, part: () => Promise<unknown>): Promise<void> {
  try {
    await part();
  } catch (error) {
    if (error instanceof ExpectationFailed) report.check('what comes next', false, error.message);
    else report.check('no error', false, `none, not ${error instanceof Error ? error.message : error}`);
  }
}

interface Run {
  report: Report;
  log: Logger;
  signal: AbortSignal;
}

/** The service and the scenes, between two looks at what is in a broker and a database of the user's own. */
async function onServices({ amqpUrl, databaseUrl, from }: Services, run: Run): Promise<void> {
  const db = openDatabase({ url: databaseUrl, name: 'onecontact demo', max: 2 });
  try {
    const found = await lookAround(amqpUrl, db);
    await attempt(run.report, () => play(amqpUrl, databaseUrl, db, run));
    if (from.broker !== 'url' && from.database !== 'url') return; // they go as a whole
    const left = await cleanUp(amqpUrl, db, found);
    run.report.check('your broker and your database are as they were', left.length === 0, `${left} to be gone`);
  } finally {
    await db.$disconnect();
  }
}

async function play(amqpUrl: string, databaseUrl: string, db: Database, { report, log, signal }: Run): Promise<void> {
  const applied = await migrate(databaseUrl);
  report.note(`Schema: ${applied.length} migration${applied.length === 1 ? '' : 's'} applied`);
  // Nothing of the user's own environment: only what the demo brings.
  const settings = { AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl, HTTP_PORT: '0' };
  const service = await startService(readConfig(settings, SERVICE_NEEDS), { log });
  report.note(`Service: workers, relay and HTTP at ${service.url}`);
  try {
    const stage = await setStage({ amqpUrl, httpUrl: service.url ?? '', db, log, signal });
    try {
      for (const scene of SCENES) {
        await attempt(report, () => {
          signal.throwIfAborted(); // an interrupted demo has not shown what it is to show
          return scene({ stage, report });
        });
      }
    } finally {
      await stage.close();
    }
  } finally {
    report.heading('Afterwards');
    report.check('the service finished what it had, and stopped in time', await service.stop(), 'it to stop in time');
  }
}

/** Servers of our own are gone when nobody answers at their ports. */
async function checkNothingLeft({ amqpUrl, databaseUrl, from }: Services, report: Report): Promise<void> {
  const ours = [
    { name: 'RabbitMQ', url: amqpUrl, source: from.broker },
    { name: 'PostgreSQL', url: databaseUrl, source: from.database },
  ].filter(({ source }) => source !== 'url');
  for (const { name, url } of ours) {
    report.check(
      `${name} is gone, with all it wrote`,
      !(await answers(url)),
      `nobody to answer at ${new URL(url).host}`,
    );
  }
}

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 2_000 });
    const end = (answered: boolean) => () => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false));
  });
}
