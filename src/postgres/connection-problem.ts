import { tlsProblem } from '../foundation/tls-problem';
import { failureOf } from './errors';

/** What to do about a database that cannot be used, in one sentence: never its own words, which may hold anything. */
export function connectionProblem(error: unknown): string {
  const problem = tlsReason(error);
  if (problem !== undefined) return tlsProblem('database', problem);
  const { code } = failureOf(error);
  if (FILE_CODES.has(code)) {
    return `A file that DATABASE_URL names cannot be read (${code}): check sslrootcert, sslcert and sslkey.`;
  }
  const [, what] = CAUSES.find(([codes]) => codes.test(code)) ?? [
    null,
    'check DATABASE_URL, and that the server is up',
  ];
  return `The database cannot be used (${code}): ${what}.`;
}

/** By SQLSTATE, or by the driver adapter's name where it hides that. */
const CAUSES: readonly [RegExp, string][] = [
  [/^28|^AuthenticationFailed$/, 'its server refuses the user, or the password, of DATABASE_URL'],
  [
    /^3D|^DatabaseDoesNotExist$/,
    'its server has no database of the name in DATABASE_URL; create it, or correct the name',
  ],
  [/^42501$|^DatabaseAccessDenied$/, 'the user of DATABASE_URL has no right to it, or to its tables; grant it'],
];

/** Nothing else of a database's connection is a file. */
const FILE_CODES = new Set(['ENOENT', 'EACCES', 'EISDIR']);

/** Whether there is such a sentence for an error of a connection. */
export const hasConnectionProblem = (error: unknown): boolean =>
  tlsReason(error) !== undefined || FILE_CODES.has(failureOf(error).code);

/** The driver's adapter keeps the text of a failed handshake, and not its code. */
function tlsReason(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > 6) return undefined;
  const { kind, reason, code, cause, meta, driverAdapterError } = error as Record<string, unknown>;
  if (kind === 'TlsConnectionError') return String(reason);
  if (typeof code === 'string' && code.startsWith('ERR_SSL_')) return code;
  for (const inner of [driverAdapterError, meta, cause]) {
    const found = tlsReason(inner, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
