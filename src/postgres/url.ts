/** DATABASE_URL: one server or several, the login, and how TLS is used. Nothing in it can change how a session behaves. */
import { OperatorError } from '../foundation/operator-error';

export interface Server {
  host: string;
  port: number;
}

export interface DatabaseTarget {
  /** Tried in this order. */
  servers: readonly Server[];
  user: string | undefined;
  password: string | undefined;
  database: string | undefined;
  connectTimeoutMs: number | undefined;
  /** The parameters of TLS as a query string, for `pg` to read: they name files, which may change while the process runs. */
  tls: string;
}

const PORT = 5432;
const FORM = 'postgresql://user:password@host:5432/database';

/** The part before the last @ may contain other @ signs. */
const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;

const LOGIN = ['host', 'port', 'user', 'password', 'database', 'dbname', 'connect_timeout', 'target_session_attrs'];
const isAllowed = (name: string): boolean => LOGIN.includes(name) || /^ssl[a-z]*$/.test(name);

/** What to do about parameters that other programs know; by default, they must be left out. */
const INSTEAD: readonly [RegExp, string][] = [
  [/^schema$|^search_path$/, 'give OneContact a database of its own, where it uses the schema public'],
  [/^(fallback_)?application_name$/, 'leave it out, because OneContact names its sessions itself'],
  [/^(connection_limit|pool_.*|max|min)$/, 'leave it out, because CONCURRENCY sets the number of connections'],
  [/^pgbouncer$/, 'leave it out, and let the pooler pool sessions'],
  [/^uselibpqcompat$/, 'use sslmode=verify-full with sslrootcert, or sslmode=no-verify'],
];
const BY_DEFAULT =
  'leave it out, because OneContact sets what it needs in each session; set anything else with ALTER ROLE … SET';

/** @throws OperatorError that names the problem, and neither the password nor any other value */
export function readDatabaseUrl(url: string): DatabaseTarget {
  const [, login = '', authority = '', path = '', query = ''] = URL_PARTS.exec(url) ?? refuse('cannot be read');
  const parameters = new Map(
    query.split('&').flatMap((pair) => (pair === '' ? [] : [split(pair, '=').map(decoded) as [string, string]])),
  );
  for (const name of parameters.keys()) if (!isAllowed(name)) refuseParameter(name);
  requirePrimary(parameters.get('target_session_attrs'));
  const [user, password] = split(login, ':').map(decoded);
  return {
    servers: serversOf(authority, parameters),
    user: user || parameters.get('user'),
    password: password || parameters.get('password'),
    database: decoded(path) || parameters.get('database') || parameters.get('dbname'),
    connectTimeoutMs: secondsIn(parameters.get('connect_timeout')),
    tls: [...parameters]
      .filter(([name]) => name.startsWith('ssl'))
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join('&'),
  };
}

const split = (text: string, separator: string): [string, string] => {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
};

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('has a % without two hexadecimal digits after it: write %25 for the character itself');
  }
}

/** `a:1,b:2` or, as parameters, `host=a,b&port=1,2`; a port that is missing is the usual one. */
function serversOf(authority: string, parameters: ReadonlyMap<string, string>): Server[] {
  const ports = (parameters.get('port') ?? '').split(',');
  const named = authority === '' ? (parameters.get('host') ?? 'localhost') : authority;
  return named.split(',').map((server, index) => {
    const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d*))?$/.exec(server) ?? refuse(SERVERS);
    const port = digits || (ports.length > 1 ? ports[index] : ports[0]) || String(PORT);
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) refuse(SERVERS);
    return { host: inBrackets ?? decoded(plain as string), port: Number(port) };
  });
}

const SERVERS =
  'has an invalid host or port: write several servers as host:port,host:port, and an IPv6 address in brackets';

function secondsIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text)) refuse('has a connect_timeout that is not a number of seconds from 1 to 9999');
  return Number(text) * 1_000;
}

/** OneContact never works on another server, with this parameter or without it. */
function requirePrimary(attribute: string | undefined): void {
  if (attribute === undefined || attribute === 'read-write' || attribute === 'primary') return;
  refuse(
    'has a target_session_attrs other than read-write or primary: leave it out, because only a primary can be used',
  );
}

function refuseParameter(name: string): never {
  // If a password contains a ?, its rest looks like a parameter.
  if (!/^[a-z][a-zA-Z_]{1,40}$/.test(name)) {
    return refuse('has an unknown parameter: percent-encode reserved characters in the password (%3F for ?)');
  }
  const instead = INSTEAD.find(([names]) => names.test(name))?.[1] ?? BY_DEFAULT;
  return refuse(`has the parameter ${name}, which is not supported: ${instead}`);
}

function refuse(problem: string): never {
  throw new OperatorError(`DATABASE_URL ${problem}; the form is ${FORM}.`);
}
