/** The fence of the change feed: all changes before it are known, and changes behind it wait. */
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';

/**
 * The id of the oldest transaction of this database that may still commit, as of the statement's snapshot: every transaction
 * with a lower id has ended, and none with a lower id will begin.
 *
 * `pg_snapshot_xmin` is about the whole server: a long transaction in another database would hold the feed back. So the
 * transactions in progress are taken one by one, without those that `pg_locks` shows in a session of another database. A
 * transaction that `pg_locks` does not show counts: it has ended since, is prepared, or has not locked its id yet.
 */
export const FENCE = Prisma.sql`
  coalesce((
    SELECT running FROM pg_snapshot_xip(pg_current_snapshot()) AS running
    WHERE NOT EXISTS (
      SELECT FROM pg_locks AS own_id JOIN pg_stat_activity AS session USING (pid)
      WHERE own_id.locktype = 'transactionid' AND own_id.mode = 'ExclusiveLock' AND own_id.granted
        AND own_id.transactionid = running::xid
        AND session.datid <> (SELECT oid FROM pg_database WHERE datname = current_database()))
    ORDER BY running LIMIT 1
  ), pg_snapshot_xmax(pg_current_snapshot()))`;

export interface FenceState {
  /** The id of a transaction. */
  fence: string;
  /** Whether committed changes wait behind it. */
  holdsBack: boolean;
}

export async function readFence(db: Queries): Promise<FenceState> {
  const [row] = await db.$queryRaw<FenceState[]>`
    SELECT fence::text, EXISTS (SELECT FROM contact WHERE changed_in >= fence) AS "holdsBack"
    FROM (SELECT ${FENCE} AS fence OFFSET 0) AS now`;
  return row as FenceState;
}

/**
 * How long the same transaction has held changes back, in seconds, as far as this process has seen. The server knows when it
 * began, but does not tell every role.
 */
export class FenceAge {
  #fence: string | undefined;
  #since = 0;

  /** @param now in milliseconds, of a clock that is never set back */
  observe({ fence, holdsBack }: FenceState, now: number = performance.now()): number {
    if (!holdsBack || fence !== this.#fence) this.#since = now;
    this.#fence = fence;
    return (now - this.#since) / 1_000;
  }
}
