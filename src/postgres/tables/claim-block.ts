/** Blocks: the claims of an account on an address that do not count since a merge was undone. */
import type { Block } from '../../contacts/facts/facts';
import type { UnblockCommand } from '../../contacts/merge/command';
import type { Undone } from '../../contacts/merge/undo';
import type { Queries } from '../database';

/** The blocks of some accounts. */
export async function loadBlocks(db: Queries, uids: readonly string[]): Promise<Block[]> {
  const rows = await db.$queryRaw<{ uid: string; address: string; since: number | null }[]>`
    SELECT uid, address, (extract(epoch FROM since) * 1000)::float8 AS since FROM claim_block WHERE uid = ANY (${uids}::text[])`;
  return rows.map((row) => ({ ...row, since: row.since ?? Number.NEGATIVE_INFINITY }));
}

/** Writes the blocks of undone merges. */
export async function insertBlocks(tx: Queries, undone: readonly Undone[]): Promise<void> {
  if (undone.length === 0) return;
  const blocks = undone.flatMap(({ merge, at, blocks }) =>
    blocks.map((block) => ({ ...block, mergeId: merge.id, at })),
  );
  const since = blocks.map((block) => (Number.isFinite(block.since) ? block.since : null));
  await tx.$executeRaw`
    INSERT INTO claim_block (uid, address, since, merge_id, at)
    SELECT uid, address, to_timestamp(since / 1000), merge_id, to_timestamp(at / 1000)
    FROM unnest(
      ${blocks.map(({ uid }) => uid)}::text[], ${blocks.map(({ address }) => address)}::text[], ${since}::float8[],
      ${blocks.map(({ mergeId }) => mergeId)}::uuid[], ${blocks.map(({ at }) => at)}::float8[]
    ) AS x (uid, address, since, merge_id, at)
    ON CONFLICT (uid, address) DO UPDATE SET since = excluded.since, merge_id = excluded.merge_id, at = excluded.at`;
}

export async function deleteBlocks(tx: Queries, unblocked: readonly UnblockCommand[]): Promise<void> {
  if (unblocked.length === 0) return;
  await tx.$executeRaw`
    DELETE FROM claim_block AS known
    USING unnest(${unblocked.map(({ uid }) => uid)}::text[], ${unblocked.map(({ address }) => address)}::text[]) AS x (uid, address)
    WHERE known.uid = x.uid AND known.address = x.address`;
}
