/** Blocks: the claims of an account on an address that do not count since a merge was undone. */
import type { Time } from '../../contacts/facts/event';
import type { Block } from '../../contacts/facts/facts';
import type { UnblockCommand } from '../../contacts/merge/command';
import type { Undone } from '../../contacts/merge/undo';
import type { Queries } from '../database';
import { type Columns, namesOf, rowSource } from '../statement';

/** The blocks of some accounts, and the undone merges that left them. */
export async function loadBlocks(
  db: Queries,
  uids: readonly string[],
): Promise<(Block & Pick<WrittenBlock, 'mergeId'>)[]> {
  const rows = await db.$queryRaw<{ uid: string; address: string; since: number | null; mergeId: string }[]>`
    SELECT uid, address, (extract(epoch FROM since) * 1000)::float8 AS since, merge_id AS "mergeId"
    FROM claim_block WHERE uid = ANY (${uids}::text[])`;
  return rows.map((row) => ({ ...row, since: row.since ?? Number.NEGATIVE_INFINITY }));
}

type WrittenBlock = Block & { mergeId: string; at: Time };

const COLUMNS = {
  uid: ['text', ({ uid }) => uid],
  address: ['text', ({ address }) => address],
  since: ['time', ({ since }) => (Number.isFinite(since) ? since : null)],
  merge_id: ['uuid', ({ mergeId }) => mergeId],
  at: ['time', ({ at }) => at],
} satisfies Columns<WrittenBlock>;

/** Writes the blocks of undone merges. */
export async function insertBlocks(tx: Queries, undone: readonly Undone[]): Promise<void> {
  if (undone.length === 0) return;
  const blocks = undone.flatMap(({ merge, at, blocks }) =>
    blocks.map((block) => ({ ...block, mergeId: merge.id, at })),
  );
  await tx.$executeRaw`
    INSERT INTO claim_block (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(blocks, COLUMNS)}
    ON CONFLICT (uid, address) DO UPDATE SET since = excluded.since, merge_id = excluded.merge_id, at = excluded.at`;
}

export async function deleteBlocks(tx: Queries, unblocked: readonly UnblockCommand[]): Promise<void> {
  if (unblocked.length === 0) return;
  await tx.$executeRaw`
    DELETE FROM claim_block AS known
    USING unnest(${unblocked.map(({ uid }) => uid)}::text[], ${unblocked.map(({ address }) => address)}::text[]) AS x (uid, address)
    WHERE known.uid = x.uid AND known.address = x.address`;
}
