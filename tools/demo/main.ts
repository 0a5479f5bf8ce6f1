/** `npm run demo`: see HELP. */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import pino, { type Logger } from 'pino';
import { stopRequested } from '../../src/cli/stop-signal';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { type Database, openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';
import { optionsOrExit } from '../options';
import { type Services, startServices } from '../services';
import { cleanUp, inventory } from './clean';
import { Report } from './report';
import { SCENES } from './scenes';
import { ExpectationFailed, setStage } from './stage';

const HELP = `npm run demo

Shows all of OneContact on a real broker and a real database, checks each step, then cleans up.

Runs from a checkout. Brings its own RabbitMQ and PostgreSQL (a container, what is installed, or fetched once), or takes
empty ones named by TEST_AMQP_URL and TEST_DATABASE_URL. Never touches AMQP_URL and DATABASE_URL.

Examples:
  $ npm run demo
  $ NO_COLOR=1 npm run demo
  $ TEST_AMQP_URL=amqp://localhost/empty TEST_DATABASE_URL=postgresql://localhost/empty npm run demo

Exit: 0 every check passed, 1 failed, 2 bad usage.`;

interface Run {
  report: Report;
  log: Logger;
  signal: AbortSignal;
}

/** @returns whether every check passed. Stops everything it started and removes everything it created. */
async function runDemo(report: Report): Promise<boolean> {
  const begin = performance.now();
  report.heading('OneContact: one person, one contact record');
  report.note('Bringing a broker and a database (the first time, they may have to be fetched) …');
  const services = await startServices({ log: (line) => report.note(line) });
  const interrupted = new AbortController();
  void stopRequested().then(() => interrupted.abort(new ExpectationFailed('the demo to be left to its end')));

  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  await attempt(report, () => runOn(services, { report, log, signal: interrupted.signal }));
  await attempt(report, () => services.stop());
  await checkNothingLeft(services, report);

  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  if (report.failed > 0) {
    const total = report.failed + report.passed;
    report.say(report.paint('red', `\n${report.failed} of ${total} checks failed (${seconds} s)`));
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

/** An error in a part fails the demo but not the parts after it, such as cleaning up. */
async function attempt(report: Report, part: () => Promise<unknown>): Promise<void> {
  try {
    await part();
  } catch (error) {
    if (error instanceof ExpectationFailed) report.check('what comes next', false, error.message);
    else report.check('no error', false, `none, not ${error instanceof Error ? error.message : error}`);
  }
}

/** Runs the scenes, and leaves a broker and a database of the user's own as they were. */
async function runOn({ amqpUrl, databaseUrl, from }: Services, run: Run): Promise<void> {
  const db = openDatabase({ url: databaseUrl, name: 'onecontact demo', max: 2 });
  try {
    const before = await inventory(amqpUrl, db);
    await attempt(run.report, () => play(amqpUrl, databaseUrl, db, run));
    if (from.broker !== 'url' && from.database !== 'url') return; // private servers end with everything on them
    const left = await cleanUp(amqpUrl, db, before);
    run.report.check('your broker and your database are as they were', left.length === 0, `${left} to be gone`);
  } finally {
    await db.$disconnect();
  }
}

async function play(amqpUrl: string, databaseUrl: string, db: Database, { report, log, signal }: Run): Promise<void> {
  const applied = await migrate(databaseUrl);
  report.note(`Schema: ${applied.length} migration${applied.length === 1 ? '' : 's'} applied`);
  // Ignores the user's own environment.
  const settings = { AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl, HTTP_PORT: '0' };
  const service = await startService(readConfig(settings, SERVICE_NEEDS), { log });
  report.note(`Service: workers, relay and HTTP at ${service.url}`);
  try {
    const stage = await setStage({ amqpUrl, httpUrl: service.url ?? '', db, log, signal });
    try {
      for (const scene of SCENES) {
        await attempt(report, () => {
          signal.throwIfAborted(); // an interrupted demo has failed
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

/** A private server is gone when its port does not answer. */
async function checkNothingLeft({ amqpUrl, databaseUrl, from }: Services, report: Report): Promise<void> {
  const servers = [
    { name: 'RabbitMQ', url: amqpUrl, source: from.broker },
    { name: 'PostgreSQL', url: databaseUrl, source: from.database },
  ];
  for (const { name, url, source } of servers) {
    if (source === 'url') continue;
    const { hostname, port, host } = new URL(url);
    const isGone = !(await answers(hostname, Number(port)));
    report.check(`${name} is gone, with all it wrote`, isGone, `nobody to answer at ${host}`);
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const end = (answered: boolean) => () => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false));
  });
}

async function main(): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  optionsOrExit(HELP, (args) => {
    const { help } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } }).values;
    return help ? 'help' : {};
  });
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return (await runDemo(new Report({ print, colour }))) ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
