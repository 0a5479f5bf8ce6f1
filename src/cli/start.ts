import { setFlagsFromString } from 'node:v8';
import { type Command, InvalidArgumentError } from 'commander';
import type { Logger } from 'pino';
import { readConfig, SERVICE_NEEDS } from '../config';
import { handlesMessages, needsDatabase, needsKeys, PARTS, type Part, type StartConfig, startService } from '../main';
import { makeLog } from '../observability/log';
import type { Context } from '../operations/context';
import { migrateSchema } from '../operations/migrate/run';
import { failureOf } from '../postgres/errors';
import { stopRequested } from './stop-signal';

/**
 * The garbage of a service that runs for weeks: V8 would let it grow to three times what is in use, here it is as much again. A
 * limit (`--max-old-space-size`) would end the process at a reader with very many choices, and makes the young generation
 * smaller, which costs a quarter more processor time.
 */
const HEAP_GROWTH = '--heap-growing-percent=100';

interface Options {
  only?: readonly Part[];
  migrate?: true;
}

export function addStart(program: Command, context: Context): void {
  program
    .command('start')
    .description(
      'Run the service until it is told to stop: workers, relay of notifications, maintenance, look-ups, intake',
    )
    .option('--only <parts>', `run only some of ${PARTS.join(',')}`, parseParts)
    .option('--migrate', 'bring the schema of the database up to this version first')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL for all parts but intake, AMQP_URL for all but http and maintenance (or files with them:
DATABASE_URL_FILE, AMQP_URL_FILE), and API_KEY or API_KEYS_FILE when look-ups (the part http) or events (the part intake)
are served at more than a loopback address. Health and metrics are served
whatever --only says. Logs go to stdout, one JSON object a line. SIGTERM and SIGINT finish what is in flight, then it
exits with 0; with 1 when that took longer than SHUTDOWN_TIMEOUT_MS, or when a second signal comes 2 s or more after the
first.

Examples:
  $ onecontact start --migrate
  $ onecontact start --only fxa,newsletter,relay
  $ HTTP_HOST=0.0.0.0 API_KEY=… onecontact start --only http
  $ HTTP_HOST=0.0.0.0 API_KEYS_FILE=… onecontact start --only intake`,
    )
    .action(async (options: Options, command: Command) => {
      setFlagsFromString(HEAP_GROWTH);
      const only = options.only ?? PARTS;
      if (options.migrate && !needsDatabase(only)) {
        command.error("error: option '--migrate' needs the database, which the parts of '--only' do not use");
      }
      const needs = SERVICE_NEEDS.filter(
        (need) => (need !== 'broker' || handlesMessages(only)) && (need !== 'database' || needsDatabase(only)),
      );
      const keys = needsKeys(only) ? (['lookUps'] as const) : [];
      const config: StartConfig = readConfig(context.env, [...needs, ...keys]);
      const log = makeLog(config.logLevel, undefined, (error) => failureOf(error).code);
      const code = await start(context.env, config, only, options, log);
      // Work that did not stop in time must not keep the process alive.
      process.exit(code);
    });
}

function parseParts(text: string): Part[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => !PARTS.some((part) => part === name))) {
    throw new InvalidArgumentError(`It is a list of ${PARTS.join(', ')}, with commas between.`);
  }
  return PARTS.filter((part) => names.includes(part));
}

/** Runs the service to its end. @returns the exit code */
async function start(
  env: NodeJS.ProcessEnv,
  config: StartConfig,
  only: readonly Part[],
  options: Options,
  log: Logger,
): Promise<number> {
  const stop = stopRequested();
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(1);
  });
  const migrate = options.migrate ? () => migrateSchema(env) : undefined;
  const service = await Promise.race([startService(config, { only, migrate, log }), stop]);
  if (typeof service === 'string') {
    log.info({ signal: service }, 'told to stop before the service was up');
    return 0;
  }
  log.info({ parts: only, url: service.url }, 'service is up');
  log.info({ signal: await stop }, 'told to stop: finishing what is in flight');
  const inTime = await service.stop();
  if (inTime) log.info('stopped');
  else
    log.error(
      { timeoutMs: config.shutdownTimeoutMs },
      'stopped before all work was finished: the rest will be redelivered',
    );
  return inTime ? 0 : 1;
}
