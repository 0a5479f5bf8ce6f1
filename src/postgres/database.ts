import { PrismaPg } from '@prisma/adapter-pg';
import type { Secret } from '../foundation/secret';
import { type Prisma, PrismaClient } from './generated/prisma/client';
import { openPool } from './pool';

export type Database = PrismaClient;
export type Transaction = Prisma.TransactionClient;
/** Runs statements: the database itself, or a transaction in it. */
export type Queries = Pick<Transaction, '$queryRaw' | '$executeRaw'>;

export interface DatabaseOptions {
  url: string | Secret;
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** The maximum number of connections. */
  max: number;
  /** How long a statement may take; 0 for no limit, for commands that read or change everything. */
  statementTimeoutMs?: number;
  /** Whether a read-only server is refused. A server in recovery always is. @default false */
  writes?: boolean;
}

/** Enough for every statement of the service: none is slow by nature. */
const STATEMENT_TIMEOUT_MS = 30_000;
/**
 * The share of a statement's time limit that it may wait for one lock. Below 1, so that the error shows whether a lock
 * was held or the statement was slow.
 */
const LOCK_SHARE = 5 / 6;
const TRANSACTION_MS = 2 * STATEMENT_TIMEOUT_MS;
/**
 * The server enforces the statement timeout. If the server itself is unreachable, the client gives up this much later.
 */
const ANSWER_MS = 5_000;

/** @throws OperatorError if the URL cannot be used. The first connection is made with the first statement. */
export function openDatabase({
  url,
  name,
  max,
  statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  writes = false,
}: DatabaseOptions): Database {
  const isService = statementTimeoutMs > 0;
  const pool = openPool({
    url,
    name,
    max,
    writes,
    statementTimeoutMs,
    lockTimeoutMs: Math.floor(statementTimeoutMs * LOCK_SHARE),
    idleInTransactionMs: isService ? TRANSACTION_MS + ANSWER_MS : 0,
    answerTimeoutMs: isService ? statementTimeoutMs + ANSWER_MS : undefined,
  });
  const adapter = new PrismaPg(pool, { statementNameGenerator: statementNames(), disposeExternalPool: true });
  // Errors without the place in the source: for that, Prisma would take a stack trace with each statement.
  return new PrismaClient({ adapter, errorFormat: 'minimal' });
}

/** The maximum number of prepared statements on a connection, in case the text of a statement is different each time. */
const MAX_PREPARED = 200;

/** Names each statement text; a connection prepares a named statement at its first use. */
function statementNames(): (query: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    let name = names.get(sql);
    if (name === undefined) {
      name = names.size < MAX_PREPARED ? `s${names.size + 1}` : ''; // unnamed: planned at each use
      if (name !== '') names.set(sql, name);
    }
    return name;
  };
}

export interface TransactionOptions {
  /** How long a statement waits for each lock; by default, a little less than a statement may take. */
  lockTimeoutMs?: number | undefined;
  /** Does the work, rolls it back and returns its result. */
  dryRun?: boolean | undefined;
}

/**
 * A transaction at READ COMMITTED: correctness comes from explicit locks in a fixed order, not from the isolation
 * level.
 *
 * @param work may call `rollBack` to have its transaction rolled back; its result is returned nevertheless.
 */
export async function inTransaction<T>(
  db: Database,
  work: (tx: Transaction, rollBack: () => void) => Promise<T>,
  { lockTimeoutMs, dryRun = false }: TransactionOptions = {},
): Promise<T> {
  let mustRollBack = dryRun;
  const runWork = async (tx: Transaction): Promise<T> => {
    if (lockTimeoutMs !== undefined)
      await tx.$executeRaw`SELECT set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, true)`;
    const result = await work(tx, () => {
      mustRollBack = true;
    });
    if (mustRollBack) throw new Rollback(result);
    return result;
  };
  try {
    return await db.$transaction(runWork, { maxWait: 10_000, timeout: TRANSACTION_MS });
  } catch (error) {
    if (error instanceof Rollback) return error.result as T;
    throw error;
  }
}

/** Not a failure: Prisma rolls back only when the work throws. */
class Rollback extends Error {
  constructor(readonly result: unknown) {
    super();
  }
}

/** All statements of `work` see the database at the same moment. */
export function inSnapshot<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.$transaction(work, { maxWait: 10_000, timeout: 24 * 3_600_000, isolationLevel: 'RepeatableRead' });
}
