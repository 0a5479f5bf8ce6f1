/** Whether the database can be used at this moment. */
import { OperatorError } from '../foundation/operator-error';
import type { Secret } from '../foundation/secret';
import { shared } from '../foundation/shared';
import { within } from '../foundation/timeout';
import { type Database, openDatabase } from './database';
import { connectionProblem } from './errors';
import { FenceAge, type FenceState, readFence } from './feed/fence';
import { requireSchema } from './migrations/require-schema';
import { lastCompaction } from './tables/compaction';
import { outboxState } from './tables/outbox';

export interface DatabaseState {
  /** Why this process cannot use the database. */
  problems: readonly string[];
  schemaProblems: readonly string[];
  /** Null if it cannot be read. */
  outbox: { pending: number; oldestSeconds: number } | null;
  /** The end of the last full run of compaction in milliseconds since 1970, 0 before the first. Null if it cannot be read. */
  compacted: { at: number } | null;
  /** How long the oldest transaction has held back the change feed; null if it cannot be read. */
  fenceAgeSeconds: number | null;
}

/** The server answers, but cannot do what this process needs. Waiting may help: a standby may be promoted. */
export class NotUsable extends Error {
  /** SQLSTATE of a statement that writes on a read-only server. */
  readonly code = '25006';
}

const STANDBY =
  'The database is in recovery (a standby, or a server that is being restored): promote it, or name the primary in DATABASE_URL.';
const READ_ONLY = 'The database is read-only: set default_transaction_read_only to off, or end the fail-over.';

/**
 * @param writes whether this process writes; if not, a read-only primary is good enough. A standby never is: it lags behind,
 *   and may still know tokens that were retired.
 * @throws the database's error, or an error with SQLSTATE 25006
 */
export async function requireUsable(db: Database, writes: boolean): Promise<void> {
  const [server] = await db.$queryRaw<{ standby: boolean; read_only: boolean }[]>`
    SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::boolean AS read_only`;
  const problem = server?.standby ? STANDBY : writes && server?.read_only ? READ_ONLY : null;
  if (problem === null) return;
  // A session keeps its server and its settings, so the next check needs a new session.
  await db.$queryRaw`SELECT pg_terminate_backend(pg_backend_pid())`.catch(() => undefined);
  throw new NotUsable(problem);
}

/** The database is asked at most this often, however many requests come: `/metrics` and the health check need no key. */
const EVERY_MS = 1_000;
const ANSWER_MS = 3_000;
/** The server's limit; the client gives up a few seconds later, and the next check opens another connection. */
const STATEMENT_MS = 2_000;

/** Checks the database on a connection of its own, which no worker or look-up can occupy. */
export class DatabaseHealth {
  readonly #db: Database;
  readonly #fenceAge = new FenceAge();
  /** Never rejects, and answers within {@link ANSWER_MS}. */
  readonly read: () => Promise<DatabaseState>;

  constructor({ url, writes }: { url: string | Secret; writes: boolean }) {
    this.#db = openDatabase({ url, name: 'onecontact health', max: 1, statementTimeoutMs: STATEMENT_MS, writes });
    this.read = shared(EVERY_MS, () => within(ANSWER_MS, this.#stateOf(writes), NO_ANSWER));
  }

  async #stateOf(writes: boolean): Promise<DatabaseState> {
    const { fence, ...state } = await stateOf(this.#db, writes);
    return { ...state, fenceAgeSeconds: fence && this.#fenceAge.observe(fence) };
  }

  async problems(): Promise<readonly string[]> {
    return (await this.read()).problems;
  }

  close(): Promise<void> {
    return this.#db.$disconnect();
  }
}

type Found = Omit<DatabaseState, 'fenceAgeSeconds'> & { fence: FenceState | null };

const unusable = (problem: string) => ({
  problems: [problem],
  schemaProblems: ['The schema cannot be checked while the database cannot be used.'],
  outbox: null,
  compacted: null,
});

const NO_ANSWER: DatabaseState = {
  ...unusable(
    `The database did not answer within ${ANSWER_MS / 1_000} s: check that the server is up and not overloaded.`,
  ),
  fenceAgeSeconds: null,
};

async function stateOf(db: Database, writes: boolean): Promise<Found> {
  try {
    await requireUsable(db, writes);
    const schemaProblems = await requireSchema(db, writes ? 'write' : 'read').then(() => [], sentenceOf);
    if (schemaProblems.length > 0) return { problems: [], schemaProblems, outbox: null, compacted: null, fence: null };
    const compacted = { at: (await lastCompaction(db)) ?? 0 };
    return { problems: [], schemaProblems, outbox: await outboxState(db), compacted, fence: await readFence(db) };
  } catch (error) {
    return { ...unusable(error instanceof NotUsable ? error.message : connectionProblem(error)), fence: null };
  }
}

function sentenceOf(error: unknown): string[] {
  if (error instanceof OperatorError) return [error.message];
  throw error;
}
