import type { Time } from '../../contacts/facts/event';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

/** When each of these records was imported first: now, unless it was imported before. */
export async function firstImports(tx: Queries, recordIds: readonly string[]): Promise<Map<string, Time>> {
  if (recordIds.length === 0) return new Map();
  const rows = await tx.$queryRaw<{ id: string; at: Time }[]>`
    INSERT INTO first_import AS known (record_id, at)
    SELECT id, now() FROM unnest(${arrayLiteral([...new Set(recordIds)])}::uuid[]) AS x (id) ORDER BY id
    ON CONFLICT (record_id) DO UPDATE SET at = known.at
    RETURNING record_id AS id, (extract(epoch FROM at) * 1000)::float8 AS at`;
  return new Map(rows.map(({ id, at }) => [id, at]));
}
