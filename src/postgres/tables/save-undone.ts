import type { UnblockCommand } from '../../contacts/merge/command';
import type { Undone } from '../../contacts/merge/undo';
import type { Queries } from '../database';

/** Marks merges as undone, and writes the blocks that keep their claims from counting. */
export async function saveUndone(tx: Queries, undone: readonly Undone[]): Promise<void> {
  if (undone.length === 0) return;
  await tx.$executeRaw`
    UPDATE merge AS known SET undone_at = to_timestamp(x.at / 1000)
    FROM unnest(${undone.map(({ merge }) => merge.id)}::uuid[], ${undone.map(({ at }) => at)}::float8[]) AS x (id, at)
    WHERE known.id = x.id`;
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

/** Takes blocks away. */
export async function deleteBlocks(tx: Queries, unblocked: readonly UnblockCommand[]): Promise<void> {
  if (unblocked.length === 0) return;
  await tx.$executeRaw`
    DELETE FROM claim_block AS known
    USING unnest(${unblocked.map(({ uid }) => uid)}::text[], ${unblocked.map(({ address }) => address)}::text[]) AS x (uid, address)
    WHERE known.uid = x.uid AND known.address = x.address`;
}
