import { setFlagsFromString } from 'node:v8';
import { type Command, InvalidArgumentError } from 'commander';
import type { Logger } from 'pino';
import { readConfig, SERVICE_NEEDS } from '../config';
import { startService } from '../main';
import { logTo, makeLog } from '../observability/log';
import type { Context } from '../operations/context';
import { migrateSchema } from '../operations/migrate/run';
import { failureOf } from '../postgres/errors';
import { handlesMessages, needsDatabase, needsKeys, PARTS, type Part, SERVICE_PARTS } from '../service/parts';
import type { StartConfig } from '../service/wiring';
import { stopRequested } from './stop-signal';

/**
 * In a service that runs for weeks, V8 would let garbage grow to three times the memory in use; with this, to the same
 * amount. A limit (`--max-old-space-size`) would end the process at a reader with very many choices, and makes the
 * young generation smaller, which costs a quarter more processor time.
 */
const HEAP_GROWTH = '--heap-growing-percent=100';

interface Options {
  only?: readonly Part[];
  migrate?: true;
}

export function addStart(program: Command, context: Context): void {
  program
    .command('start')
    .description('Run the service: workers, notification relay, maintenance, HTTP look-ups and HTTP intake')
    .option('--only <parts>', `run only these parts of ${PARTS.join(',')}; by default all but console`, parseParts)
    .option('--migrate', 'apply pending database migrations first')
    .addHelpText(
      'after',
      `
All parts but intake need DATABASE_URL; all parts but http and maintenance need AMQP_URL. DATABASE_URL_FILE and AMQP_URL_FILE name files with these URLs instead. The parts http (look-ups) and intake (events over HTTP) need API_KEY or API_KEYS_FILE, unless HTTP_HOST is a loopback address. Health and metrics are always served.

Logs go to stdout: readable lines on a terminal, otherwise one JSON object per line (LOG_FORMAT).

SIGTERM and SIGINT stop the service once messages in flight are finished. It then exits with 0, or with 1 when finishing takes longer than SHUTDOWN_TIMEOUT_MS or a second signal comes 2 s or more after the first.

Examples:
  $ onecontact start --migrate
  $ onecontact start --only fxa,newsletter,relay
  $ HTTP_HOST=0.0.0.0 API_KEY=… onecontact start --only http
  $ HTTP_HOST=0.0.0.0 API_KEYS_FILE=… onecontact start --only intake`,
    )
    .action(async (options: Options, command: Command) => {
      const only = options.only ?? SERVICE_PARTS;
      if (options.migrate && !needsDatabase(only)) {
        command.error("error: option '--migrate' needs a part that uses the database");
      }
      await runParts(context, only, options);
    });
}

export function addConsole(program: Command, context: Context): void {
  program
    .command('console')
    .description('Serve the console for support staff: find readers, undo merges, replay dead letters, erase')
    .addHelpText(
      'after',
      `
The same as \`onecontact start --only console\`, but health and metrics are served at a free port unless HTTP_PORT is set. Needs DATABASE_URL, and the service's values of TOKEN_POLICY, MERGE_MODE, MERGE_PERCENT, the notification variables and ERASURE_KEY. Dead letters need AMQP_URL.

People sign in with a key of API_KEYS_FILE that has the scope operate, or an authenticating proxy names them in the header CONSOLE_TRUST_HEADER. Every change is in \`onecontact audit\` under that name: give each person a key of their own.

Examples:
  $ API_KEYS_FILE=keys.txt onecontact console
  $ CONSOLE_SOCKET=/run/onecontact/console.sock CONSOLE_TRUST_HEADER=X-Forwarded-User CONSOLE_ORIGIN=https://console.example.org onecontact console`,
    )
    .action(() => {
      const { env, stdout } = context;
      return runParts({ env: { ...env, HTTP_PORT: env.HTTP_PORT || '0' }, stdout }, ['console'], {});
    });
}

/** Runs parts until the process is told to stop, and ends the process. */
async function runParts(
  { env, stdout }: Pick<Context, 'env' | 'stdout'>,
  only: readonly Part[],
  options: Options,
): Promise<void> {
  setFlagsFromString(HEAP_GROWTH);
  // Without a broker, the console has everything but dead letters.
  const usesBroker = handlesMessages(only) || (only.includes('console') && Boolean(env.AMQP_URL || env.AMQP_URL_FILE));
  const needs = SERVICE_NEEDS.filter(
    (need) => (need !== 'broker' || usesBroker) && (need !== 'database' || needsDatabase(only)),
  );
  const keys = needsKeys(only) ? (['lookUps'] as const) : [];
  const config: StartConfig = readConfig(env, [...needs, ...keys]);
  const { isTTY = false } = stdout;
  const destination = logTo(config.logFormat ?? (isTTY ? 'pretty' : 'json'), isTTY && !env.NO_COLOR);
  const log = makeLog(config.logLevel, destination, (error) => failureOf(error).code);
  const code = await start(env, config, only, options, log);
  // Work that has not stopped in time must not keep the process alive.
  process.exit(code);
}

function parseParts(text: string): Part[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => !PARTS.some((part) => part === name))) {
    throw new InvalidArgumentError(`It must be a comma-separated list of ${PARTS.join(', ')}.`);
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
    log.info({ signal: service }, 'stopped before the service was up');
    return 0;
  }
  const { url, consoleUrl } = service;
  log.info({ url, ...(consoleUrl !== null && { consoleUrl }), parts: only }, 'service is up');
  log.info({ signal: await stop }, 'shutting down: finishing messages in flight');
  const inTime = await service.stop();
  if (inTime) log.info('stopped');
  else
    log.error({ timeoutMs: config.shutdownTimeoutMs }, 'shutdown timed out: unfinished messages will be redelivered');
  return inTime ? 0 : 1;
}
