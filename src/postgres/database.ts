import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from './generated/prisma/client';

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
  const isService = statementTimeoutMs > 0;
  const settings = {
    // Statements here are short, but look dear to the planner (recursive ones above all): compiling them took 150 ms each.
    jit: 'off',
    // As a setting of the session it needs no statement in each transaction.
    default_transaction_isolation: 'read\\ committed',
    // A session whose client vanished must not keep its locks: it ends soon after the transaction's own limit.
    idle_in_transaction_session_timeout: isService ? TRANSACTION_MS + ANSWER_MS : 0,
    // Planned once, and through indexes, however many keys its arrays hold: for hundreds of keys the planner would rather
    // read a whole table of some hundred thousand rows, each time; and what it plans for a table that is still empty stays.
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
  };
  const options = Object.entries(settings).map(([key, value]) => `-c ${key}=${value}`);
  const adapter = new PrismaPg(
    {
      connectionString: url,
      application_name: name,
      options: options.join(' '),
      max,
      connectionTimeoutMillis: 5_000,
      statement_timeout: statementTimeoutMs,
      // Without these, a connection that the network swallowed is noticed by nobody.
      ...(isService && { query_timeout: statementTimeoutMs + ANSWER_MS }),
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    },
    { statementNameGenerator: namesOfStatements() },
  );
  return new PrismaClient({ adapter });
}

/** Statements that are prepared on each connection, at most: of a text that differs each time there is no end. */
const MAX_PREPARED = 200;

/** A name for each text, under which it is prepared on a connection when it is first used there. */
function namesOfStatements(): (query: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    let name = names.get(sql);
    if (name === undefined) {
      name = names.size < MAX_PREPARED ? `s${names.size + 1}` : ''; // none: it is planned each time
      if (name !== '') names.set(sql, name);
    }
    return name;
  };
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
  return db.$transaction(limited, { maxWait: 10_000, timeout: TRANSACTION_MS });
}

/** All statements of `work` see the database at one moment. */
export function inSnapshot<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.$transaction(work, { maxWait: 10_000, timeout: 24 * 3_600_000, isolationLevel: 'RepeatableRead' });
}
