import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from '../generated/prisma/client';

export type Database = PrismaClient;
export type Transaction = Prisma.TransactionClient;
/** Whatever can run a statement: the database itself, or a transaction in it. */
export type Queries = Pick<Transaction, '$queryRaw' | '$executeRaw'>;

export interface DatabaseOptions {
  url: string;
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** Connections at most. */
  max: number;
  /** How long a statement may take; 0 is without end, for commands that read or change everything. */
  statementTimeoutMs?: number;
}

/** No statement of the service is slow by nature; one that runs longer than this waits for somebody. */
const STATEMENT_TIMEOUT_MS = 30_000;
const TRANSACTION_MS = 2 * STATEMENT_TIMEOUT_MS;
/** The server ends a statement in time, unless it is away: then this ends the waiting here. */
const ANSWER_MS = 5_000;

export function openDatabase({ url, name, max, statementTimeoutMs = STATEMENT_TIMEOUT_MS }: DatabaseOptions): Database {
  const adapter = new PrismaPg({
    connectionString: url,
    application_name: name,
    // A session whose client vanished must not keep its locks: it ends soon after the transaction's own limit.
    // And statements here are short, but look dear to the planner (recursive ones above all): compiling them took 150 ms each.
    options: `-c jit=off -c idle_in_transaction_session_timeout=${statementTimeoutMs === 0 ? 0 : TRANSACTION_MS + ANSWER_MS}`,
    max,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    // Without these, a connection that the network swallowed is noticed by nobody.
    ...(statementTimeoutMs > 0 && { query_timeout: statementTimeoutMs + ANSWER_MS }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  return new PrismaClient({ adapter });
}

/**
 * A transaction at READ COMMITTED: correctness comes from explicit locks in a fixed order, not from the isolation.
 *
 * @param lockTimeoutMs how long a statement waits for each lock; without it, as long as a statement may take
 */
export function inTransaction<T>(
  db: Database,
  work: (tx: Transaction) => Promise<T>,
  lockTimeoutMs?: number,
): Promise<T> {
  const limited = async (tx: Transaction): Promise<T> => {
    if (lockTimeoutMs !== undefined)
      await tx.$executeRaw`SELECT set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, true)`;
    return work(tx);
  };
  return db.$transaction(limited, { maxWait: 10_000, timeout: TRANSACTION_MS, isolationLevel: 'ReadCommitted' });
}

/** All statements of `work` see the database at one moment. */
export function inSnapshot<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.$transaction(work, { maxWait: 10_000, timeout: 24 * 3_600_000, isolationLevel: 'RepeatableRead' });
}
