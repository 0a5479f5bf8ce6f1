/** docs/configuration.md and .env.example, generated from the schema that reads the environment. */
import { Variables } from '../../src/config';

type Name = keyof typeof Variables.shape;

/** Each variable is in one group. */
const GROUPS: Readonly<Record<string, readonly Name[]>> = {
  'Broker and database': ['AMQP_URL', 'AMQP_URL_FILE', 'DATABASE_URL', 'DATABASE_URL_FILE'],
  HTTP: ['HTTP_HOST', 'HTTP_PORT', 'API_KEY', 'API_KEYS_FILE', 'PUBLIC_PREFERENCES', 'TRUSTED_PROXIES'],
  Console: ['CONSOLE_HOST', 'CONSOLE_PORT', 'CONSOLE_SOCKET', 'CONSOLE_ORIGIN', 'CONSOLE_TRUST_HEADER'],
  'Tokens of an account provider': ['ACCOUNTS_ISSUER', 'ACCOUNTS_AUDIENCE', 'ACCOUNTS_JWKS_URL'],
  Workers: ['BATCH_SIZE', 'PREFETCH', 'CONCURRENCY', 'SHUTDOWN_TIMEOUT_MS', 'LOG_LEVEL', 'LOG_FORMAT'],
  Merging: ['MERGE_MODE', 'MERGE_PERCENT', 'TOKEN_POLICY'],
  Notifications: ['NOTIFY_CHANGES', 'NOTIFY_CONFIRMATIONS'],
  'Erasure and audit': ['ERASURE_KEY', 'ERASURE_KEY_FILE', 'ERASURE_LIST', 'OPERATOR', 'AUDIT_RETENTION'],
  Maintenance: ['COMPACTION_OLDER_THAN', 'COMPACTION_EVERY', 'COMPACTION_PERCENT'],
};

/** @throws Error when a variable is in no group, or in two */
function grouped(): [title: string, names: readonly Name[]][] {
  const names = Object.values(GROUPS).flat();
  const wrong = (Object.keys(Variables.shape) as Name[]).filter(
    (name) => names.filter((other) => other === name).length !== 1,
  );
  if (wrong.length > 0) throw new Error(`must be in exactly one group of tools/contracts/configuration.ts: ${wrong}`);
  return Object.entries(GROUPS);
}

/** Invalid for every variable because of its control character, so that the error says what the variable must be. */
const NO_VALUE = '\u0007';

const descriptionOf = (name: Name): string => Variables.shape[name].description ?? '';
/** As a sentence; empty where the description says it already. */
function ruleOf(name: Name): string {
  const rule = Variables.shape[name].safeParse(NO_VALUE).error?.issues[0]?.message ?? '';
  return rule.startsWith('must ') ? ` The value ${rule.replace(/https?:\/\/\S+/, '`$&`')}.` : '';
}

/** The default as text; null if there is none, undefined if the variable is required. */
function defaultOf(name: Name): string | null | undefined {
  const fallback = Variables.shape[name].safeParse(undefined);
  if (!fallback.success) return undefined;
  return fallback.data === null ? null : String(fallback.data);
}

export function configurationPage(): string {
  return `# Configuration

<!-- Generated from src/config.ts by \`npm run contracts\`: do not edit. -->

OneContact reads its configuration from the environment, and nothing else. Every command reads the variables that it uses, once, at its
start. It reports all problems together, and never prints a value. An empty variable counts as not set. A variable that ends in
\`_FILE\` names a file with the value; set one of the two.

In a checkout, copy [.env.example](../.env.example) to \`.env\`, edit it, and start with
\`set -a; . ./.env; set +a; ./onecontact start\`.
${grouped().map(section).join('')}
## Demo, tests and benchmarks

They never touch \`AMQP_URL\` or \`DATABASE_URL\`. These variables pick their servers:

- \`TEST_AMQP_URL\`, \`TEST_DATABASE_URL\`: an empty vhost and an empty database to use.
- \`ONECONTACT_SERVICES\`: where servers come from: \`url\`, \`docker\`, \`local\`, \`fetch\`, separated by commas.
- \`ONECONTACT_RABBITMQ\`: the version of a broker that is downloaded or runs in a container: 3.10, 4.0 or 4.3.
`;
}

const section = ([title, names]: [string, readonly Name[]]): string => `
## ${title}

${names.map(entry).join('')}`;

function entry(name: Name): string {
  const fallback = defaultOf(name);
  const given = fallback === undefined ? 'Required' : fallback === null ? 'No default' : `Default: \`${fallback}\``;
  return `- \`${name}\`. ${given}. ${descriptionOf(name)}.${ruleOf(name)}\n`;
}

export function envExample(): string {
  const lines = grouped().flatMap(([title, names]) => [
    '',
    `# ${title}`,
    ...names.map((name) => {
      const fallback = defaultOf(name);
      return fallback === undefined ? `${name}=${EXAMPLES[name] ?? ''}` : `#${name}=${fallback ?? ''}`;
    }),
  ]);
  return `# Generated from src/config.ts by \`npm run contracts\`. docs/configuration.md says what each variable is for.
# Variables behind # have the default that is shown, or none.
${lines.join('\n')}\n`;
}

/** Values of the required variables, for servers of this machine. */
const EXAMPLES: Partial<Record<Name, string>> = {
  AMQP_URL: 'amqp://guest:guest@127.0.0.1:5672',
  DATABASE_URL: 'postgresql://postgres:postgres@127.0.0.1:5432/onecontact',
};
