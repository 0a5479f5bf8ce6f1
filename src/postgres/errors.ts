/** What went wrong in the database, by SQLSTATE: dug out here and nowhere else. */

export type FailureKind =
  /** The database cannot be reached, or not used now: wait until it can. */
  | 'down'
  /** Somebody holds what it needs for longer than we wait: it is nobody's fault, and may take any time. */
  | 'busy'
  /** A matter of chance (deadlock, serialisation failure, lost connection): the same again may well succeed. */
  | 'transient'
  /** It would fail again. */
  | 'permanent';

export interface Failure {
  kind: FailureKind;
  /** A SQLSTATE, or one of Prisma's codes, or the error's class. Never its text: that may hold an address. */
  code: string;
}

/**
 * https://www.postgresql.org/docs/current/errcodes-appendix.html. Down is also a database that does not let us in, or has
 * not our tables, or not our prepared statements (a pooler that hands out another connection for each transaction, a column
 * whose type was changed): an operator's matter, for which no message can do anything.
 */
const DOWN = /^(57P0[1-4]|53[014]..|53300|58...|25006|28...|3D000|42501|42P01|42703|0A000|26000)$/;
/** A lock that was not to be had in time, a statement that took too long; Prisma's: a pool or a transaction that did. */
const BUSY = /^(55P03|57014|P2024|P2028)$/;
const TRANSIENT = /^(40...|08...|23505)$/;
/** Prisma's own: unreachable, timed out, connection closed, and the adapter's name for a TLS handshake that failed. */
const PRISMA_DOWN = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'TlsConnectionError']);
const PRISMA_TRANSIENT = new Set(['P2034']);
const SYSTEM_DOWN = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
]);

export function failureOf(error: unknown): Failure {
  const codes = [...codesIn(error)];
  const found = (test: (code: string) => boolean): string | undefined => codes.find(test);
  const down = found(
    (code) => DOWN.test(code) || PRISMA_DOWN.has(code) || SYSTEM_DOWN.has(code) || code === 'DatabaseNotReachable',
  );
  if (down) return { kind: 'down', code: down };
  const busy = found((code) => BUSY.test(code));
  if (busy) return { kind: 'busy', code: busy };
  const transient = found((code) => TRANSIENT.test(code) || PRISMA_TRANSIENT.has(code) || CONNECTION_ENDED.test(code));
  if (transient) return { kind: 'transient', code: transient };
  const text = error instanceof Error ? error.message : '';
  if (NO_ANSWER.test(text)) return { kind: 'down', code: 'no_answer' };
  if (CONNECTION_ENDED.test(text)) return { kind: 'transient', code: 'connection_ended' };
  return { kind: 'permanent', code: codes[0] ?? (error instanceof Error ? error.name : 'unknown') };
}

/** What `pg` says, without any code, of a database that takes connections and is silent; and of one that hung up. */
const NO_ANSWER = /timeout exceeded when trying to connect|due to connection timeout|Query read timeout/i;
const CONNECTION_ENDED = /ConnectionClosed|Connection terminated|connection is closed|not queryable/i;

/** All codes in an error and what it wraps, most telling (a SQLSTATE) first. */
function* codesIn(error: unknown, depth = 0): Iterable<string> {
  if (typeof error !== 'object' || error === null || depth > 6) return;
  const { cause, meta, driverAdapterError, originalCode, code, kind } = error as Record<string, unknown>;
  for (const inner of [driverAdapterError, meta, cause]) yield* codesIn(inner, depth + 1);
  for (const value of [originalCode, code, kind]) if (typeof value === 'string') yield value;
}
