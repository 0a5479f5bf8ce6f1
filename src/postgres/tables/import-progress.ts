import type { Queries } from '../database';

/** How far the import of a file has come, and what it has counted until then. */
export interface ImportProgress<Counts extends object> {
  /** Lines that are done. */
  lines: number;
  counts: Counts;
}

/** Null if the import of the file never began, or has finished. */
export async function loadProgress<Counts extends object>(
  db: Queries,
  source: string,
): Promise<ImportProgress<Partial<Counts>> | null> {
  const [row] = await db.$queryRaw<{ lines: number; counts: Counts | null }[]>`
    SELECT lines::float8 AS lines, counts FROM import_progress WHERE source = ${source}`;
  return row ? { lines: row.lines, counts: row.counts ?? {} } : null;
}

export async function saveProgress(
  db: Queries,
  source: string,
  { lines, counts }: ImportProgress<object>,
): Promise<void> {
  await db.$executeRaw`
    INSERT INTO import_progress (source, lines, counts) VALUES (${source}, ${lines}::float8, ${JSON.stringify(counts)}::json)
    ON CONFLICT (source) DO UPDATE SET lines = excluded.lines, counts = excluded.counts, written_at = now()`;
}

export async function forgetProgress(db: Queries, source: string): Promise<void> {
  await db.$executeRaw`DELETE FROM import_progress WHERE source = ${source}`;
}
