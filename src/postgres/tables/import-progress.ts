import type { Queries } from '../database';

/** How many lines of a file are imported; 0 if its import never began, or has finished. */
export async function linesDone(db: Queries, source: string): Promise<number> {
  const [row] = await db.$queryRaw<{ lines: number }[]>`
    SELECT lines::float8 AS lines FROM import_progress WHERE source = ${source}`;
  return row?.lines ?? 0;
}

export async function saveLinesDone(db: Queries, source: string, lines: number): Promise<void> {
  await db.$executeRaw`
    INSERT INTO import_progress (source, lines) VALUES (${source}, ${lines}::float8)
    ON CONFLICT (source) DO UPDATE SET lines = excluded.lines, written_at = now()`;
}

export async function forgetProgress(db: Queries, source: string): Promise<void> {
  await db.$executeRaw`DELETE FROM import_progress WHERE source = ${source}`;
}
