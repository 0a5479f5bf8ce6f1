/** The only reader of the environment. */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { amqpUrlsProblem } from './foundation/amqp-urls';
import { OperatorError } from './foundation/operator-error';

const AMQP_EXAMPLE = 'amqp://user:password@host:5672/vhost';
const DATABASE_EXAMPLE = 'postgresql://user:password@host:5432/database';

/** Every variable: its shape, default and purpose. Messages never hold a value: it may be a secret. */
export const Variables = z.object({
  AMQP_URL: z
    .string(`is not set (a RabbitMQ broker, such as ${AMQP_EXAMPLE})`)
    .refine((text) => amqpUrlsProblem(text) === undefined, { error: ({ input }) => amqpUrlsProblem(String(input)) })
    .describe(`The broker, such as \`${AMQP_EXAMPLE}\`; of a cluster, the URLs of its nodes with commas between them`),
  DATABASE_URL: url(['postgres:', 'postgresql:'], `a PostgreSQL database, such as ${DATABASE_EXAMPLE}`)
    .refine(inPublicSchema, 'has ?schema=, which is not supported: give OneContact a database of its own')
    .describe(`The database, such as \`${DATABASE_EXAMPLE}\``),
  HTTP_HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'must be an address to listen at, such as 127.0.0.1, ::1 or 0.0.0.0')
    .default('127.0.0.1')
    .describe('The address that HTTP listens at'),
  HTTP_PORT: integer(0, 65_535).default(8080).describe('The port that HTTP listens at; 0 is any free one'),
  API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces: it is sent as a bearer token')
    .nullable()
    .default(null)
    .describe('What readers send as `Authorization: Bearer …`; required unless HTTP_HOST is a loopback address'),
  LOG_LEVEL: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
    .default('info')
    .describe('The least important log lines that are written'),
  BATCH_SIZE: integer(1, 10_000).default(500).describe('Messages in one transaction at most'),
  PREFETCH: integer(1, 65_535).default(1000).describe('Messages of a queue that the broker sends ahead of their acks'),
  CONCURRENCY: integer(1, 64).default(2).describe('Batches in flight'),
  MERGE_MODE: choice('on', 'observe')
    .default('on')
    .describe(
      '`on`: contacts of one person are merged. `observe`: a claim that would take an address from a contact is held, ' +
        'listed by `collisions list`, and counts once `collisions resolve` releases it',
    ),
  MERGE_PERCENT: integer(0, 100)
    .default(100)
    .describe('Share of the accounts that merge, by a hash of their uid; the others are observed'),
  TOKEN_POLICY: choice('address', 'account')
    .default('address')
    .describe(
      'Which basket token a merge keeps. `address`: the one of the record that held the account’s primary address; ' +
        '`account`: always the one of the account’s record',
    ),
  SHUTDOWN_TIMEOUT_MS: integer(100, 3_600_000)
    .default(25_000)
    .describe('How long a stop may take to finish what is in flight'),
  ERASURE_KEY: z
    .string()
    .min(16, 'must have 16 characters or more')
    .nullable()
    .default(null)
    .describe('Key of the hashes that are kept of erased addresses; without it nothing can be erased'),
});

type Name = keyof typeof Variables.shape;

/** The needs that a command can have, and the variables of each. */
const NEEDS = {
  broker: ['AMQP_URL'],
  database: ['DATABASE_URL'],
  http: ['HTTP_HOST', 'HTTP_PORT', 'API_KEY'],
  /** Look-ups over HTTP, which only readers with the key may use. */
  lookUps: ['HTTP_HOST', 'API_KEY'],
  workers: ['LOG_LEVEL', 'BATCH_SIZE', 'PREFETCH', 'CONCURRENCY', 'SHUTDOWN_TIMEOUT_MS'],
  merging: ['MERGE_MODE', 'MERGE_PERCENT', 'TOKEN_POLICY'],
  erasure: ['ERASURE_KEY'],
} as const satisfies Record<string, readonly Name[]>;

export type Need = keyof typeof NEEDS;

/** `HTTP_PORT` as `httpPort`. */
type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<S>;
const camel = (name: string): string =>
  name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** The configuration of the running service: every variable under its name in camel case. */
export type ServiceConfig = { readonly [N in Name as Camel<N>]: z.output<(typeof Variables.shape)[N]> };

/** The part of the configuration that belongs to these needs. */
export type ConfigFor<N extends Need> = Pick<ServiceConfig, Camel<(typeof NEEDS)[N][number]>>;

/** The needs of `start`; with HTTP also `lookUps`. */
export const SERVICE_NEEDS = ['broker', 'database', 'http', 'workers', 'merging', 'erasure'] as const;

/**
 * Reads only the variables of the given needs. An empty variable counts as not set.
 *
 * @throws OperatorError that lists all problems at once, without any value
 */
export function readConfig<N extends Need>(env: NodeJS.ProcessEnv, needs: readonly N[]): ConfigFor<N> {
  const names = new Set<Name>(needs.flatMap((need): readonly Name[] => NEEDS[need]));
  const config: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const name of names) {
    const { data, error } = Variables.shape[name].safeParse(env[name] || undefined);
    if (error) problems.push(`${name}: ${error.issues[0]?.message}`);
    else config[camel(name)] = data;
  }
  const isOpen = typeof config.httpHost === 'string' && config.apiKey === null && !isLoopback(config.httpHost);
  if (isOpen && needs.some((need) => need === 'lookUps')) {
    problems.push(
      'API_KEY: is not set (readers of contacts send it as a bearer token; only without it on a loopback HTTP_HOST)',
    );
  }
  if (problems.length > 0) throw new OperatorError(report(problems, names, env));
  return Object.freeze(config) as ConfigFor<N>;
}

function report(problems: readonly string[], names: ReadonlySet<Name>, env: NodeJS.ProcessEnv): string {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const lines = [`The configuration has ${count}:`, ...problems.map((problem) => `  ${problem}`)];
  const isMissing = (name: Name): boolean => names.has(name) && !env[name];
  if (isMissing('AMQP_URL') && isMissing('DATABASE_URL')) {
    lines.push('To see OneContact at work without a broker and a database of your own: npm run demo');
  }
  return lines.join('\n');
}

/** Whether a host is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function url(protocols: readonly string[], what: string) {
  const isUrl = (text: string): boolean => URL.canParse(text) && protocols.includes(new URL(text).protocol);
  return z.string(`is not set (${what})`).refine(isUrl, { error: `is not the URL of ${what}`, abort: true });
}

function integer(min: number, max: number) {
  const problem = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, problem)
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: problem, abort: true });
}

function choice<const T extends string>(...values: readonly [T, ...T[]]) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

/** `schema` is a parameter of Prisma, which the service's own connections ignore. */
function inPublicSchema(text: string): boolean {
  return !URL.canParse(text) || (new URL(text).searchParams.get('schema') ?? 'public') === 'public';
}
