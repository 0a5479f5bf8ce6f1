/** The one row that says how far compaction has come, and which process is running it. */
import type { Queries } from '../database';

/** A running process renews its hold with each page; a process that was killed loses it after this time. */
const HOLD_SECONDS = 60;

/**
 * Takes the row if a run is due and no other process holds it.
 *
 * @param everyMs a run is due this long after the end of the last one
 * @returns the pass to continue with; null if this process has nothing to do
 */
export async function takeCompaction(db: Queries, holder: string, everyMs: number): Promise<number | null> {
  const [row] = await db.$queryRaw<{ pass: number }[]>`
    UPDATE compaction SET holder = ${holder}::uuid, held_until = now() + ${HOLD_SECONDS}::float8 * interval '1 second'
    WHERE "only" IN (
      SELECT "only" FROM compaction
      WHERE (holder IS NULL OR holder = ${holder}::uuid OR held_until < now())
        AND (finished_at IS NULL OR finished_at <= now() - ${everyMs}::float8 * interval '1 millisecond')
      FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING pass`;
  return row?.pass ?? null;
}

/** Locks the row until the end of the transaction. @returns false if another process has taken it over */
export async function keepCompaction(tx: Queries, holder: string): Promise<boolean> {
  const kept = await tx.$executeRaw`
    UPDATE compaction SET held_until = now() + ${HOLD_SECONDS}::float8 * interval '1 second' WHERE holder = ${holder}::uuid`;
  return kept > 0;
}

/**
 * Notes which pass comes next; null at the end of a run.
 *
 * @returns false if another process has taken the row over
 */
export async function saveCompaction(db: Queries, holder: string, next: number | null): Promise<boolean> {
  const saved = await db.$executeRaw`
    UPDATE compaction
    SET pass = ${next ?? 0}::int, finished_at = CASE WHEN ${next === null} THEN now() ELSE finished_at END,
      holder = CASE WHEN ${next === null} THEN NULL ELSE holder END
    WHERE holder = ${holder}::uuid`;
  return saved > 0;
}

/** Gives the row up, so that another process may take over at once. */
export async function releaseCompaction(db: Queries, holder: string): Promise<void> {
  await db.$executeRaw`UPDATE compaction SET holder = NULL WHERE holder = ${holder}::uuid`;
}

/** The end of the last full run in milliseconds since 1970; null before the first. */
export async function lastCompaction(db: Queries): Promise<number | null> {
  const [row] = await db.$queryRaw<{ at: number | null }[]>`
    SELECT (extract(epoch FROM finished_at) * 1000)::float8 AS at FROM compaction`;
  return row?.at ?? null;
}
