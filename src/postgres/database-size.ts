/** How much the database holds: as the server last estimated it, which costs the same at any size. */
import type { Queries } from './database';

export interface DatabaseSize {
  bytes: number;
  contacts: number;
  merges: number;
}

export async function databaseSize(db: Queries): Promise<DatabaseSize> {
  const [row] = await db.$queryRaw<DatabaseSize[]>`
    SELECT pg_database_size(current_database())::float8 AS bytes,
      (SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = 'contact'::regclass) AS contacts,
      (SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = 'merge'::regclass) AS merges`;
  return row as DatabaseSize;
}
