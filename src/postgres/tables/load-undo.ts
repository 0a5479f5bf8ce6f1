import type { UndoCommand } from '../../contacts/merge/command';
import type { Queries } from '../database';

export interface LaterThanMerge extends Pick<UndoCommand, 'superseded' | 'followers'> {
  undone: boolean;
}

/**
 * What the ledger says of the time after a merge. True until the commit if the locks on the merge's addresses and
 * accounts are held: nobody can merge or undo anything of its survivor without them.
 */
export async function loadUndo(tx: Queries, mergeId: string): Promise<LaterThanMerge> {
  const [row] = await tx.$queryRaw<LaterThanMerge[]>`
    SELECT m.undone_at IS NOT NULL AS undone,
      EXISTS (
        SELECT FROM merge later
        WHERE later.seq > m.seq AND later.undone_at IS NULL AND m.survivor_id IN (later.survivor_id, later.retired_id)
      ) AS superseded,
      ARRAY (
        WITH RECURSIVE follower (id) AS (
          SELECT retired_id FROM merge WHERE survivor_id = m.retired_id AND undone_at IS NULL
          UNION
          SELECT retired_id FROM merge JOIN follower ON survivor_id = follower.id WHERE undone_at IS NULL
        )
        SELECT id FROM follower
      ) AS followers
    FROM merge m WHERE m.id = ${mergeId}::uuid`;
  // No row: its person was erased in the meantime.
  return row ?? { undone: false, superseded: true, followers: [] };
}
