/** `npm run demo`: see HELP. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { constants } from 'node:os';
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
import { type OpenConsole, openConsole, useConsole } from './console';
import { Report } from './report';
import { SCENES } from './scenes';
import { ExpectationFailed, type Stage, setStage } from './stage';

const HELP = `npm run demo [-- [--console] [--verbose]]

Shows on a real RabbitMQ and a real PostgreSQL how two records of one person
become one, checks each step, then removes everything it started.

Runs from a checkout. Brings its own servers (in containers, as installed, or
downloaded once), or takes empty ones named by TEST_AMQP_URL and
TEST_DATABASE_URL. Never touches AMQP_URL and DATABASE_URL.

Options:
  --console      leave the console for support staff open on the demo's data, on
                 a free port, and print the key to sign in; Ctrl-C ends it
  --verbose, -v  show every message and mail in full
  --help, -h     show this help

Examples:
  $ npm run demo
  $ npm run demo -- --console
  $ npm run demo -- --verbose
  $ NO_COLOR=1 npm run demo
  $ export TEST_AMQP_URL=amqp://localhost/empty
  $ export TEST_DATABASE_URL=postgresql://localhost/empty
  $ npm run demo

Exit codes: 0 every check passed (with --console, after Ctrl-C), 1 failed,
2 bad usage, 130 interrupted.`;

const NEXT = `
What to try next:
  npm run demo -- --console    look at the same data as support staff do
  npm run demo -- --verbose    the same, with every message and mail in full
  ./onecontact --help          all commands
  npm test                     prove each guarantee on servers like these

On your own servers: set AMQP_URL and DATABASE_URL, then
  ./onecontact start --migrate
`;

interface Run {
  report: Report;
  log: Logger;
  /** Aborted when the demo is interrupted. */
  signal: AbortSignal;
  /** Whether the console stays open until then. */
  withConsole: boolean;
}

/** @returns whether every check passed. Stops everything it started and removes everything it created. */
async function runDemo({ report, signal, withConsole }: Omit<Run, 'log'>): Promise<boolean> {
  const begin = performance.now();
  report.heading('OneContact: one person, one contact record');
  report.note('Starting a RabbitMQ and a PostgreSQL of its own (downloaded the first time) …');
  const interrupted = once(signal, 'abort').then(() => null);
  const services = await Promise.race([startServices({ log: (line) => report.note(line) }), interrupted]);
  if (services === null) return true; // what has been started ends with this process

  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  await attempt(report, () => runOn(services, { report, log, signal, withConsole }));
  await attempt(report, () => services.stop());
  await checkNothingLeft(services, report);

  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  if (report.failed > 0) {
    const total = report.failed + report.passed;
    report.say(report.paint('red', `\n${report.failed} of ${total} checks failed (${seconds} s)`));
    if (logged.length > 0) report.note(`What the service logged:\n${logged.slice(-20).join('').trimEnd()}`);
    return false;
  }
  if (signal.aborted) return true;
  report.say(report.paint('green', `\nAll ${report.passed} checks passed in ${seconds} s`));
  report.say(NEXT);
  return true;
}

/**
 * An error in a part fails the demo but not the parts after it, such as cleaning up.
 *
 * @param signal says that the part was interrupted: then it has not failed, whatever it ended with
 */
async function attempt(report: Report, part: () => Promise<unknown>, signal?: AbortSignal): Promise<void> {
  try {
    await part();
  } catch (error) {
    if (signal?.aborted) return;
    if (error instanceof ExpectationFailed) report.check('the next step', false, error.message);
    else report.check('the next step', false, `no error, not: ${error instanceof Error ? error.message : error}`);
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

async function play(amqpUrl: string, databaseUrl: string, db: Database, run: Run): Promise<void> {
  const { report, log, signal, withConsole } = run;
  const applied = await migrate(databaseUrl);
  report.note(`Schema: ${applied.length} migration${applied.length === 1 ? '' : 's'} applied`);
  // Ignores the user's own environment.
  const settings = { AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl, HTTP_PORT: '0', ERASURE_KEY: 'the key of the demo' };
  const service = await startService(readConfig(settings, SERVICE_NEEDS), { log });
  report.note(`Service: workers, relay and HTTP at ${service.url}`);
  let stage: Stage | undefined;
  let staff: OpenConsole | undefined;
  try {
    stage = await setStage({ amqpUrl, httpUrl: service.url ?? '', db, log, signal });
    for (const scene of SCENES) {
      const play = { stage, report };
      if (!signal.aborted) await attempt(report, () => scene(play), signal);
    }
    if (withConsole && !signal.aborted) {
      staff = await openConsole(settings, log);
      await useConsole(staff, { report, stage, signal });
    }
  } finally {
    await staff?.close();
    report.heading('Afterwards');
    report.check('the service finished its work and stopped in time', await service.stop(), 'it to stop in time');
    await stage?.close();
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
    report.check(`${name} is gone, with its data`, isGone, `no answer at ${host}`);
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
  const { verbose, withConsole } = optionsOrExit(HELP, (args) => {
    const options = {
      console: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      verbose: { type: 'boolean', short: 'v' },
    } as const;
    const { help, verbose = false, console: withConsole = false } = parseArgs({ args, options }).values;
    return help ? 'help' : { verbose, withConsole };
  });
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const report = new Report({ print, colour, verbose });
  const interrupted = new AbortController();
  let code = 0;
  void stopRequested().then((signal) => {
    // With the console open, this is how the demo ends.
    if (!report.interrupt()) code = 128 + constants.signals[signal];
    interrupted.abort();
  });
  const passed = await runDemo({ report, signal: interrupted.signal, withConsole });
  if (passed && interrupted.signal.aborted) process.exit(code); // a download may still be under way
  return passed ? 0 : 1;
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
