import type { Database } from '../../postgres/database';
import { type StoredMerge, storedMergeOf } from '../../postgres/tables/merge-rows';

export interface MergeFilter {
  /** Merges at most. */
  limit: number;
  /** Only those with a smaller `seq`: the page after a merge. */
  before?: bigint | undefined;
  /** Only those with this account on either side. */
  uid?: string | undefined;
  /** Only those that were undone. */
  undone?: boolean | undefined;
}

/** Merges from the ledger, newest first. */
export async function listMerges(db: Database, { limit, before, uid, undone }: MergeFilter): Promise<StoredMerge[]> {
  const rows = await db.merge.findMany({
    where: {
      ...(before !== undefined && { seq: { lt: before } }),
      ...(uid !== undefined && { OR: [{ uid }, { claimant: uid }] }),
      ...(undone && { undoneAt: { not: null } }),
    },
    omit: { explanation: true },
    orderBy: { seq: 'desc' },
    take: limit,
  });
  return rows.map(storedMergeOf);
}
