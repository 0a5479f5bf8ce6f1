/** What went wrong in the database, by SQLSTATE, and what an operator can do about it. */
import { Backoff, retry } from '../foundation/retry';
import { tlsProblem } from '../foundation/tls-problem';

export type FailureKind =
  /** The database cannot be reached or used now: wait until it can. */
  | 'down'
  /**
   * Another transaction holds a needed lock for longer than we wait. The message is not at fault; it may take any time.
   */
  | 'busy'
  /** The statement or transaction took too long, and not because it waited for one lock. */
  | 'slow'
  /** A matter of chance (deadlock, serialisation failure, lost connection): a retry may well succeed. */
  | 'transient'
  /** A retry would fail again. */
  | 'permanent';

export interface Failure {
  kind: FailureKind;
  /** A SQLSTATE, one of Prisma's codes, or the error's class. Never its text: that may contain an address. */
  code: string;
  /** The column that the database names, if it names one. */
  column?: string;
}

/**
 * https://www.postgresql.org/docs/current/errcodes-appendix.html. Also down: a database that refuses our login, lacks
 * our tables, or does not have our prepared statements as we left them (a pooler that hands out another connection for each
 * transaction, a column whose type was changed). Poolers answer 08P01 for every problem behind them. No message is at fault.
 */
const DOWN =
  /^(57P0[1-4]|53[014]..|53300|58...|25006|25P02|28...|3D000|42501|42P01|42P05|42703|0A000|26000|08P01|in_recovery|read_only|transaction_pooling|erasure_key)$/;
/** The SQLSTATE for a lock that could not be acquired in time. */
export const LOCK_NOT_AVAILABLE = '55P03';
/** Our own code: people were erased with a key that this process does not have. */
export const WRONG_ERASURE_KEY = 'erasure_key';
/** Our own code: another transaction changed what was looked up before it was locked. */
export const STALE_READ = 'stale_read';

const BUSY = /^(55P03|P2024)$/;
/** A statement or a transaction took too long; Prisma's own code for a transaction. */
const SLOW = /^(57014|25P0[34]|P2028)$/;
const TRANSIENT = /^(40...|08...|23505|stale_read)$/;
/** Prisma's own: unreachable, timed out, connection closed, and the adapter's names where it hides the system's code. */
const PRISMA_DOWN = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TlsConnectionError',
]);
const PRISMA_TRANSIENT = new Set(['P2034']);
const SYSTEM_DOWN = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

export function failureOf(error: unknown): Failure {
  const codes = [...codesIn(error)];
  const found = (test: (code: string) => boolean): string | undefined => codes.find(test);
  const down = found((code) => DOWN.test(code) || PRISMA_DOWN.has(code) || SYSTEM_DOWN.has(code));
  if (down) return { kind: 'down', code: down };
  const text = error instanceof Error ? error.message : '';
  if (NO_ANSWER.test(text)) return { kind: 'down', code: 'no_answer' };
  const busy = found((code) => BUSY.test(code));
  if (busy) return { kind: 'busy', code: busy };
  const slow = found((code) => SLOW.test(code));
  if (slow) return { kind: 'slow', code: slow };
  const transient = found((code) => TRANSIENT.test(code) || PRISMA_TRANSIENT.has(code) || CONNECTION_ENDED.test(code));
  if (transient) return { kind: 'transient', code: transient };
  if (CONNECTION_ENDED.test(text)) return { kind: 'transient', code: 'connection_ended' };
  const column = columnIn(error);
  const code = codes[0] ?? (error instanceof Error ? error.name : 'unknown');
  return { kind: 'permanent', code, ...(column !== undefined && { column }) };
}

/**
 * Error texts without a code of their own: a database that accepts connections but never answers, or hangs up. The last text
 * is Prisma's, which uses the same code for a transaction that took too long.
 */
const NO_ANSWER =
  /timeout exceeded when trying to connect|due to connection timeout|Query read timeout|Unable to start a transaction/i;
const CONNECTION_ENDED = /ConnectionClosed|Connection terminated|connection is closed|not queryable/i;

/** All codes in an error and its causes, the most specific (a SQLSTATE) first. */
function* codesIn(error: unknown): Iterable<string> {
  for (const { originalCode, code, kind } of nested(error)) {
    for (const value of [originalCode, code, kind]) if (typeof value === 'string') yield value;
  }
}

function columnIn(error: unknown): string | undefined {
  for (const { column } of nested(error)) if (typeof column === 'string') return column;
  return undefined;
}

/** An error and everything it wraps, innermost first. */
function* nested(error: unknown, depth = 0): Iterable<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > 6) return;
  const { cause, meta, driverAdapterError } = error as Record<string, unknown>;
  for (const inner of [driverAdapterError, meta, cause]) yield* nested(inner, depth + 1);
  yield error as Record<string, unknown>;
}

export const isTooSlow = (code: unknown): boolean => typeof code === 'string' && SLOW.test(code);

/** Shown to the reader of a dead letter, after the code. Other codes are faults of the database, or bugs. */
const MEANINGS: readonly [RegExp, string][] = [
  [SLOW, 'the event alone exceeded the statement or transaction timeout, while other events did not'],
  [/^(40...|23505|P2034|stale_read)$/, 'other transactions changed the same people at the same time'],
  [/^(08...|connection_ended)$/, 'the connection to the database ended'],
  [/^22...$/, 'the database cannot store one of its values'],
];

/** A code with its meaning, if that is known. */
export function inWords(code: string): string {
  const meaning = MEANINGS.find(([codes]) => codes.test(code))?.[1];
  return meaning === undefined ? code : `${code}: ${meaning}`;
}

/** Repeats a transaction up to four times after a transient failure. */
export const retryTransient = <T>(work: () => Promise<T>): Promise<T> =>
  retry(work, {
    attempts: 5,
    when: (error) => failureOf(error).kind === 'transient',
    backoff: new Backoff(40, 320),
  });

/**
 * What to do about an unusable database, in one sentence. The error's own text is left out: it may contain anything.
 */
export function connectionProblem(error: unknown): string {
  const problem = tlsReason(error);
  if (problem !== undefined) return tlsProblem('database', problem);
  const { code } = failureOf(error);
  if (FILE_CODES.has(code)) {
    return `A file that DATABASE_URL names cannot be read (${code}): check sslrootcert, sslcert and sslkey.`;
  }
  const cause = CAUSES.find(([codes]) => codes.test(code))?.[1] ?? 'check DATABASE_URL, and that the server is up';
  return `The database cannot be used (${code}): ${cause}.`;
}

/** Whether {@link connectionProblem} can explain a connection's problem, whatever kind of failure it is. */
const hasConnectionProblem = (error: unknown): boolean =>
  tlsReason(error) !== undefined || FILE_CODES.has(failureOf(error).code);

/** Wrong credentials, no such database, no permission, an unsuitable pooler: SQLSTATEs, our own code, and the names that Prisma gives. */
const NOT_PERMITTED =
  /^(28...|3D...|42501|transaction_pooling|AuthenticationFailed|Database(DoesNotExist|AccessDenied))$/;

/** Whether only an operator can make the database usable, so that waiting for it would not help. */
export const needsOperator = (error: unknown): boolean =>
  hasConnectionProblem(error) || NOT_PERMITTED.test(failureOf(error).code);

/** By SQLSTATE, or by the name that the driver adapter gives the error if it hides the SQLSTATE. */
const CAUSES: readonly [RegExp, string][] = [
  [/^28|^AuthenticationFailed$/, 'the server rejects the user or password in DATABASE_URL; correct them'],
  [/^3D|^DatabaseDoesNotExist$/, 'the database named in DATABASE_URL does not exist; create it, or correct the name'],
  [/^in_recovery$/, 'the server is in recovery, as a standby is; promote it, or name the primary in DATABASE_URL'],
  [
    /^read_only$|^25006$/,
    'the server is read-only; set default_transaction_read_only to off, or name another primary in DATABASE_URL',
  ],
  [
    /^transaction_pooling$|^26000$|^42P05$|^25P02$/,
    'a pooler switches connections between transactions; let it pool sessions, or connect to the server directly',
  ],
  [/^42501$|^DatabaseAccessDenied$/, 'the user in DATABASE_URL lacks rights on the database or its tables; grant them'],
];

/** The only files that a connection reads are those of its certificates. */
const FILE_CODES = new Set(['ENOENT', 'EACCES', 'EISDIR']);

/** The driver adapter keeps only the text of a failed handshake, not its code. */
function tlsReason(error: unknown): string | undefined {
  for (const { kind, reason, code } of nested(error)) {
    if (kind === 'TlsConnectionError') return String(reason);
    if (typeof code === 'string' && code.startsWith('ERR_SSL_')) return code;
  }
  return undefined;
}
