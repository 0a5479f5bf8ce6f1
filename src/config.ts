/** The only reader of the environment. */
import type { Logger } from 'pino';
import { z } from 'zod';
import { amqpUrlsProblem } from './foundation/amqp-urls';
import { type ApiKey, defaultKey, parseApiKeys } from './foundation/api-keys';
import { hostOf, isLoopback } from './foundation/hosts';
import { OperatorError } from './foundation/operator-error';
import { isProxy } from './foundation/proxies';
import { readSecret, Secret } from './foundation/secret';
import { readDuration } from './foundation/times';

const AMQP_EXAMPLE = 'amqp://user:password@host:5672/vhost';
const DAY = 86_400_000;
const DATABASE_EXAMPLE = 'postgresql://user:password@host:5432/database';

/** Every variable: its shape, default and purpose. Messages never hold a value: it may be a secret. */
export const Variables = z.object({
  AMQP_URL: z
    .string(`is not set (a RabbitMQ broker, such as ${AMQP_EXAMPLE})`)
    .refine((text) => amqpUrlsProblem(text) === undefined, { error: ({ input }) => amqpUrlsProblem(String(input)) })
    .describe(`The broker, such as \`${AMQP_EXAMPLE}\`; of a cluster, the URLs of its nodes with commas between them`),
  DATABASE_URL: z
    .string(`is not set (a PostgreSQL database, such as ${DATABASE_EXAMPLE})`)
    .regex(/^postgres(ql)?:\/\/./, `is not the URL of a PostgreSQL database, such as ${DATABASE_EXAMPLE}`)
    .describe(`The database, such as \`${DATABASE_EXAMPLE}\`; several servers as \`host:port,host:port\``),
  AMQP_URL_FILE: file().describe('A file with `AMQP_URL`, which is read again when the broker rejects the credentials'),
  DATABASE_URL_FILE: file().describe(
    'A file with `DATABASE_URL`, which is read again when the database rejects the credentials',
  ),
  HTTP_HOST: address().default('127.0.0.1').describe('The address that HTTP listens at'),
  HTTP_PORT: integer(0, 65_535).default(8080).describe('The port that HTTP listens at; 0 chooses a free port'),
  API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces: it is sent as a bearer token')
    .nullable()
    .default(null)
    .describe(
      'The key `default` with the scope `read`, which clients send as `Authorization: Bearer …`; it or API_KEYS_FILE is ' +
        'required unless HTTP_HOST is a loopback address',
    ),
  API_KEYS_FILE: file().describe(
    'A file of keys, one per line: `NAME SCOPE[,SCOPE] KEY`, with the scopes `read`, `write`, `vouch` and `operate`, and ' +
      'comments after `#`; it is read again when it changes',
  ),
  PUBLIC_PREFERENCES: flag().describe(
    'Whether `GET /preferences/{token}` answers preference pages without a key: newsletters, language, country, format ' +
      'and the masked address of the contact that has the token',
  ),
  TRUSTED_PROXIES: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((proxies) => proxies.every(isProxy), 'must be addresses or networks, such as 10.0.0.0/8,::1, or `loopback`')
    .nullable()
    .default(null)
    .describe(
      'The proxies in front of the service, separated by commas: addresses, networks, `loopback`, `linklocal` or `uniquelocal`. Their ' +
        '`X-Forwarded-For` is trusted, and each client may ask for preferences 60 times a minute. Without them the proxy ' +
        'must limit the rate',
    ),
  CONSOLE_HOST: address()
    .default('127.0.0.1')
    .describe('The address that the console listens at, if CONSOLE_SOCKET is not set'),
  CONSOLE_PORT: integer(0, 65_535)
    .default(8090)
    .describe('The port that the console listens at; 0 chooses a free port'),
  CONSOLE_SOCKET: file().describe(
    'A Unix socket that the console listens at instead of a port: only those who may write to the file reach it',
  ),
  CONSOLE_ORIGIN: z
    .string()
    .refine(isOrigin, 'must be what the browser shows before the path, such as https://console.example.org')
    .nullable()
    .default(null)
    .describe(
      'Where browsers find the console, such as `https://console.example.org`; required behind a proxy, because requests ' +
        'for another host are refused. By default the address that it listens at',
    ),
  CONSOLE_TRUST_HEADER: z
    .string()
    .regex(/^[A-Za-z][\w-]*$/, 'must be the name of a header, such as X-Forwarded-User')
    .nullable()
    .default(null)
    .describe(
      'The header in which an authenticating proxy names the person who uses the console, such as `X-Forwarded-User`. Only ' +
        'for a console on CONSOLE_SOCKET or a loopback address: on the latter, every process of the machine can send it',
    ),
  ACCOUNTS_ISSUER: text('https://accounts.example').describe(
    'The account provider whose Security Event Tokens `POST /events/account` accepts: exactly their `iss`. Set all three of ' +
      'ACCOUNTS_ISSUER, ACCOUNTS_AUDIENCE and ACCOUNTS_JWKS_URL, or none',
  ),
  ACCOUNTS_AUDIENCE: text('5882386c6d801776').describe(
    'The audience of the tokens: exactly their `aud`, which is the client id that the account provider gave you',
  ),
  ACCOUNTS_JWKS_URL: z
    .string()
    .refine(isSafeUrl, 'must be an https URL without a password, or an http URL of a loopback address')
    .nullable()
    .default(null)
    .describe('The URL of the public keys of the account provider (`jwks_uri` of its OpenID configuration)'),
  LOG_LEVEL: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
    .default('info')
    .describe('The minimum level of log lines'),
  LOG_FORMAT: choice('json', 'pretty')
    .nullable()
    .default(null)
    .describe(
      '`json`: one JSON object per line; `pretty`: lines for people. By default `pretty` on a terminal, else `json`',
    ),
  BATCH_SIZE: integer(1, 10_000).default(500).describe('The maximum number of messages in a transaction'),
  PREFETCH: integer(1, 65_535).default(1000).describe('The maximum number of unacknowledged messages of a queue'),
  CONCURRENCY: integer(1, 64).default(2).describe('The maximum number of batches in flight'),
  MERGE_MODE: choice('on', 'observe')
    .default('on')
    .describe(
      '`on`: contacts of one person are merged. `observe`: a claim that would take an address from a contact is held, ' +
        'listed by `collisions list`, and counts once `collisions resolve` releases it',
    ),
  MERGE_PERCENT: integer(0, 100)
    .default(100)
    .describe('The share of accounts that merge, chosen by a hash of their uid; the others are observed'),
  TOKEN_POLICY: choice('address', 'account')
    .default('address')
    .describe(
      'Which basket token a merge keeps. `address`: the token of the record that held the account’s primary address; ' +
        '`account`: always the token of the account’s record',
    ),
  NOTIFY_CHANGES: flag().describe(
    'Whether `contact.changed` is sent for each new version of a contact. Turn it on only if every bound queue has a ' +
      'consumer: an unread queue fills up',
  ),
  NOTIFY_CONFIRMATIONS: flag().describe(
    'Whether `contact.confirmation_needed` is sent for each sign-up that its reader has to confirm; only where a mailer ' +
      'sends the confirmations',
  ),
  SHUTDOWN_TIMEOUT_MS: integer(100, 3_600_000)
    .default(25_000)
    .describe('How long a shutdown may take to finish messages in flight'),
  ERASURE_KEY: z
    .string()
    .min(16, 'must have 16 characters or more')
    .nullable()
    .default(null)
    .describe('The secret key for hashing erased addresses; `erase` requires it'),
  ERASURE_KEY_FILE: file().describe('A file with `ERASURE_KEY`, which is read once'),
  ERASURE_LIST: z
    .string()
    .regex(/^\P{Cc}+$/u, 'must be the path of a file')
    .nullable()
    .default(null)
    .describe(
      'A file outside the database to which `erase` appends keyed hashes; `erasures apply` erases them again after a restore',
    ),
  OPERATOR: z
    .string()
    .regex(/^\P{Cc}{1,100}$/u, 'must be a name of at most 100 characters')
    .nullable()
    .default(null)
    .describe('The name in `onecontact audit` of the person who runs a command; by default the system’s user'),
  AUDIT_RETENTION: duration(DAY, 'a day', '730d').describe(
    'How long audit entries are kept; compaction removes older ones',
  ),
  COMPACTION_OLDER_THAN: duration(DAY, 'a day', '30d').describe(
    'Compaction removes only data older than this, by event time; choose longer than events can be late',
  ),
  COMPACTION_EVERY: duration(1_000, 'a second', '1d').describe(
    'The pause between the end of a run of compaction and the next one',
  ),
  COMPACTION_PERCENT: integer(1, 100)
    .default(10)
    .describe(
      'The percentage of the time in which a run of compaction works; it pauses for the rest, and longer on a busy database',
    ),
});

type Name = keyof typeof Variables.shape;

/** The needs that a command can have, and the variables of each. */
const NEEDS = {
  broker: ['AMQP_URL', 'AMQP_URL_FILE'],
  database: ['DATABASE_URL', 'DATABASE_URL_FILE'],
  http: ['HTTP_HOST', 'HTTP_PORT', 'API_KEY', 'API_KEYS_FILE', 'PUBLIC_PREFERENCES', 'TRUSTED_PROXIES'],
  console: ['CONSOLE_HOST', 'CONSOLE_PORT', 'CONSOLE_SOCKET', 'CONSOLE_ORIGIN', 'CONSOLE_TRUST_HEADER'],
  accounts: ['ACCOUNTS_ISSUER', 'ACCOUNTS_AUDIENCE', 'ACCOUNTS_JWKS_URL'],
  /** Look-ups and events over HTTP, which only the holders of a key may use. */
  lookUps: ['HTTP_HOST', 'API_KEY', 'API_KEYS_FILE'],
  workers: ['LOG_LEVEL', 'LOG_FORMAT', 'BATCH_SIZE', 'PREFETCH', 'CONCURRENCY', 'SHUTDOWN_TIMEOUT_MS'],
  merging: ['MERGE_MODE', 'MERGE_PERCENT', 'TOKEN_POLICY', 'NOTIFY_CHANGES', 'NOTIFY_CONFIRMATIONS'],
  erasure: ['ERASURE_KEY', 'ERASURE_KEY_FILE'],
  erasureList: ['ERASURE_LIST'],
  audit: ['OPERATOR'],
  auditRetention: ['AUDIT_RETENTION'],
  maintenance: ['AUDIT_RETENTION', 'COMPACTION_OLDER_THAN', 'COMPACTION_EVERY', 'COMPACTION_PERCENT'],
} as const satisfies Record<string, readonly Name[]>;

export type Need = keyof typeof NEEDS;

/** `HTTP_PORT` as `httpPort`. */
type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<S>;
const camel = (name: string): string =>
  name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Every variable under its name in camel case. */
type Config = { readonly [N in Name as Camel<N>]: z.output<(typeof Variables.shape)[N]> };

/** The part of the configuration that belongs to these needs. */
export type ConfigFor<N extends Need> = Pick<Config, Camel<(typeof NEEDS)[N][number]>>;

/** The needs of `start`; with HTTP also `lookUps`. */
export const SERVICE_NEEDS = [
  'broker',
  'database',
  'http',
  'console',
  'accounts',
  'workers',
  'merging',
  'erasure',
  'erasureList',
  'maintenance',
] as const;

/** The configuration of the running service. */
export type ServiceConfig = ConfigFor<(typeof SERVICE_NEEDS)[number]>;

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
    const { data, problem } = readVariable(env, name);
    if (problem !== undefined) problems.push(problem);
    else config[camel(name)] = data;
  }
  const { httpHost, apiKey, apiKeysFile } = config;
  const isOpen = typeof httpHost === 'string' && apiKey === null && apiKeysFile === null && !isLoopback(httpHost);
  if (isOpen && needs.some((need) => need === 'lookUps')) {
    problems.push(
      'API_KEY: is not set, nor is API_KEYS_FILE (readers of contacts and senders of events send a key as a bearer token; ' +
        'none is needed on a loopback HTTP_HOST)',
    );
  }
  if (typeof apiKeysFile === 'string')
    problems.push(...keyProblems(apiKeysFile, (apiKey as string | undefined) ?? null));
  problems.push(...accountProblems(config), ...consoleProblems(config));
  if (problems.length > 0) throw new OperatorError(report(problems, names, env));
  return Object.freeze(config) as ConfigFor<N>;
}

/** Any client that reaches the console could send the header. */
function consoleProblems({ consoleHost, consoleSocket, consoleTrustHeader }: Record<string, unknown>): string[] {
  if (typeof consoleTrustHeader !== 'string' || typeof consoleSocket === 'string') return [];
  if (typeof consoleHost !== 'string' || isLoopback(consoleHost)) return [];
  return [
    'CONSOLE_TRUST_HEADER: would let everyone who reaches CONSOLE_HOST be anyone: set CONSOLE_SOCKET, or a loopback CONSOLE_HOST',
  ];
}

/** The variables of the account provider belong together: either all are set, or none. A malformed one counts as set. */
function accountProblems(config: Record<string, unknown>): string[] {
  const missing = NEEDS.accounts.filter((name) => config[camel(name)] === null);
  const set = NEEDS.accounts.filter((name) => !missing.includes(name));
  if (set.length === 0) return [];
  const given = `${set.join(' and ')} ${set.length === 1 ? 'is' : 'are'}`;
  return missing.map((name) => `${name}: is not set, although ${given}: set all three or none`);
}

/** Reads a variable, or the file that replaces it. A problem names the one that was read. */
function readVariable(env: NodeJS.ProcessEnv, name: Name): { data?: unknown; problem?: string } {
  const inFile = `${name}_FILE`;
  const file = inFile in Variables.shape ? env[inFile] : '';
  if (!file) {
    const { data, error } = Variables.shape[name].safeParse(env[name] || undefined);
    return error ? { problem: `${name}: ${error.issues[0]?.message}` } : { data };
  }
  if (env[name]) return { problem: `${name}: is set, and so is ${inFile}: keep one of them` };
  try {
    const data = readSecret(file).trim();
    const problem = problemOf(name, data);
    return problem === undefined ? { data } : { problem: `${inFile}: ${problem}` };
  } catch (error) {
    return { problem: `${inFile}: ${(error as Error).message}` };
  }
}

const problemOf = (name: Name, text: string): string | undefined =>
  Variables.shape[name].safeParse(text).error?.issues[0]?.message;

/** The URL of the broker. If it comes from a file, the file is read again when the broker refuses the URL. */
export const brokerUrl = ({ amqpUrl, amqpUrlFile }: ConfigFor<'broker'>, log: Logger): Secret =>
  secretUrl('AMQP_URL', amqpUrl, amqpUrlFile, log);

/** The URL of the database. If it comes from a file, the file is read again when the database refuses the URL. */
export const databaseUrl = ({ databaseUrl, databaseUrlFile }: ConfigFor<'database'>, log: Logger): Secret =>
  secretUrl('DATABASE_URL', databaseUrl, databaseUrlFile, log);

function secretUrl(name: 'AMQP_URL' | 'DATABASE_URL', value: string, file: string | null, log: Logger): Secret {
  if (file === null) return Secret.of(value);
  const parse = (text: string): string => {
    const problem = problemOf(name, text.trim());
    if (problem !== undefined) throw new OperatorError(problem);
    return text.trim();
  };
  return Secret.fromFile({ variable: `${name}_FILE`, file, parse, log });
}

/** The durations in milliseconds. */
export function maintenanceSettings(config: ConfigFor<'maintenance'>) {
  return {
    olderThanMs: readDuration(config.compactionOlderThan) as number,
    auditRetentionMs: readDuration(config.auditRetention) as number,
    everyMs: readDuration(config.compactionEvery) as number,
    percent: config.compactionPercent,
  };
}

type Keys = Pick<ConfigFor<'http'>, 'apiKey' | 'apiKeysFile'>;

/**
 * The keys of the HTTP server. After `watch()`, their file is read again when it changes.
 *
 * @throws OperatorError
 */
export function apiKeys({ apiKey, apiKeysFile: file }: Keys, log: Logger): Secret<readonly ApiKey[]> {
  if (file === null) return Secret.of(allKeys(apiKey));
  return Secret.fromFile({ variable: 'API_KEYS_FILE', file, parse: (text) => allKeys(apiKey, text), log });
}

/** API_KEY, and the keys of the file's text. */
function allKeys(apiKey: string | null, text?: string): readonly ApiKey[] {
  const keys = apiKey === null ? [] : [defaultKey(apiKey)];
  return text === undefined ? keys : [...keys, ...parseApiKeys(text, keys)];
}

function keyProblems(file: string, apiKey: string | null): string[] {
  try {
    allKeys(apiKey, readSecret(file));
    return [];
  } catch (error) {
    return [`API_KEYS_FILE: ${(error as Error).message}`];
  }
}

function report(problems: readonly string[], names: ReadonlySet<Name>, env: NodeJS.ProcessEnv): string {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const lines = [`The configuration has ${count}:`, ...problems.map((problem) => `  ${problem}`)];
  const isMissing = (name: Name): boolean => names.has(name) && !env[name] && !env[`${name}_FILE`];
  if (isMissing('AMQP_URL') && isMissing('DATABASE_URL')) {
    lines.push('To see OneContact at work without a broker and a database of your own: npm run demo');
  }
  return lines.join('\n');
}

function address() {
  return z.string().regex(/^[\w.:-]+$/, 'must be an address to listen at, such as 127.0.0.1, ::1 or 0.0.0.0');
}

function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function file() {
  return z
    .string()
    .regex(/^[^\p{Cc}]+$/u, 'must be the path of a file')
    .nullable()
    .default(null);
}

function text(example: string) {
  return z
    .string()
    .regex(/^[^\p{Cc}\p{Z}]+$/u, `must be text without spaces, such as ${example}`)
    .nullable()
    .default(null);
}

/** Keys that come over plain HTTP could be replaced on the way. */
function isSafeUrl(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const url = new URL(given);
  const { protocol, username, password } = url;
  const isLocal = protocol === 'http:' && isLoopback(hostOf(url));
  return (protocol === 'https:' || isLocal) && username === '' && password === '';
}

function integer(min: number, max: number) {
  const problem = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, problem)
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: problem, abort: true });
}

/** The value stays text, such as `30d`. */
function duration(min: number, words: string, byDefault: string) {
  return z
    .string()
    .default(byDefault)
    .refine((text) => (readDuration(text) ?? 0) >= min, `must be a duration of ${words} or more, such as ${byDefault}`);
}

function flag() {
  return choice('true', 'false')
    .default('false')
    .transform((value) => value === 'true');
}

function choice<const T extends string>(...values: readonly [T, ...T[]]) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}
