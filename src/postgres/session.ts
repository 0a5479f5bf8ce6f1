/** What is set in each session once it is connected, whatever the server, the database or the role has set before. */
import type { ClientBase } from 'pg';

export interface SessionOptions {
  /** How long a statement may take; 0 for no limit. */
  statementTimeoutMs: number;
  /** How long a transaction may wait for its client; 0 for no limit. */
  idleInTransactionMs: number;
  /** How long a statement waits for a lock; 0, by default, for no limit. */
  lockTimeoutMs?: number | undefined;
  /** Whether a read-only server is refused. */
  writes: boolean;
}

/** Sent once connected, not as startup parameters, which poolers refuse. */
const settings = ({
  statementTimeoutMs,
  idleInTransactionMs,
  lockTimeoutMs = 0,
}: SessionOptions): Record<string, string | number> => ({
  // First, so that a short limit of the database ends none of the other statements.
  statement_timeout: statementTimeoutMs,
  client_encoding: 'UTF8',
  search_path: 'public',
  // How values are written and read.
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: 1,
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  // As a session setting, it needs no statement in each transaction.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  lock_timeout: lockTimeoutMs,
  // A session whose client vanished must not keep its locks: it ends soon after the transaction's own time limit.
  idle_in_transaction_session_timeout: idleInTransactionMs,
  idle_session_timeout: 0,
  // The planner overestimates our short statements (recursive ones above all): compiling them took 150 ms each.
  jit: 'off',
  // Plan once, and always through indexes. For arrays of hundreds of keys the planner prefers to scan tables of some
  // hundred thousand rows, and it keeps a plan that it made for an empty table.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_indexscan: 'on',
  enable_indexonlyscan: 'on',
  enable_bitmapscan: 'on',
  enable_nestloop: 'on',
  // An incremental sort would use a smaller index and read all rows of one key to sort them: for one page of an account's
  // merges, all merges that it ever had.
  enable_incremental_sort: 'off',
});

/**
 * Only PostgreSQL 17 and later have `transaction_timeout`. `synchronous_commit`: an acknowledged commit must be on the
 * disk.
 */
const CONDITIONAL = `
  SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';
  SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'`;

const STATE = `
  SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS recovering,
    current_setting('transaction_read_only')::boolean AS read_only`;

/** The round trip that makes a connection usable: all settings, and what the server is. */
export const pinning = (options: SessionOptions): string =>
  [
    ...Object.entries(settings(options)).map(([name, value]) => `SET ${name} TO ${literal(name, value)}`),
    CONDITIONAL,
    STATE,
  ].join(';');

/** A list of names is not one string. */
const literal = (name: string, value: string | number): string =>
  name === 'search_path' ? String(value) : `'${value}'`;

export interface ServerState {
  /** The server's process of this session. */
  pid: number;
  recovering: boolean;
  read_only: boolean;
}

/** Why a connection cannot be used. Looks like an error of the server, so that the driver adapter passes its code on. */
export class UnusableSession extends Error {
  readonly severity = 'FATAL';

  constructor(readonly code: 'in_recovery' | 'read_only' | 'transaction_pooling') {
    super(code);
  }
}

/** A server that accepts connections may never answer. */
const ANSWER_MS = 5_000;

/** The row that the last of these statements returns. */
export async function ask<T>(client: ClientBase, statements: string): Promise<T> {
  const results = await client.query({ text: statements, query_timeout: ANSWER_MS } as { text: string });
  const last = [results].flat().at(-1);
  return last?.rows[0] as T;
}

/**
 * @returns what the server is
 * @throws UnusableSession if it is in recovery, or if it is read-only and must not be
 */
export async function pin(client: ClientBase, options: SessionOptions, statements: string): Promise<ServerState> {
  const state = await ask<ServerState>(client, statements);
  if (state.recovering) throw new UnusableSession('in_recovery');
  if (state.read_only && options.writes) throw new UnusableSession('read_only');
  return state;
}
