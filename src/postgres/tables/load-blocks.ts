import type { Block } from '../../contacts/facts/facts';
import type { Queries } from '../database';

/** The blocks that undone merges left on some accounts. */
export async function loadBlocks(db: Queries, uids: readonly string[]): Promise<Block[]> {
  const rows = await db.$queryRaw<{ uid: string; address: string; since: number | null }[]>`
    SELECT uid, address, (extract(epoch FROM since) * 1000)::float8 AS since FROM claim_block WHERE uid = ANY (${uids}::text[])`;
  return rows.map((row) => ({ ...row, since: row.since ?? Number.NEGATIVE_INFINITY }));
}
