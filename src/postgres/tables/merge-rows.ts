import type { Explanation } from '../../contacts/merge/explain';
import type { MergePlan, MergeRecord } from '../../contacts/merge/merge';
import type { Merge } from '../generated/prisma/client';

/** A merge in the ledger. */
export interface StoredMerge extends Omit<MergePlan, 'primaryHeldBy'> {
  /** Greater for a later merge of one contact; of all merges, nearly so. */
  seq: bigint;
  mergedAt: Date;
  undoneAt: Date | null;
}

export interface ExplainedStoredMerge extends StoredMerge {
  /** None of merges that are older than explanations, or whose people's data was purged. */
  explanation: Explanation | null;
}

export const storedMergeOf = (row: Omit<Merge, 'explanation'>): StoredMerge => ({
  id: row.id,
  seq: row.seq,
  mergedAt: row.mergedAt,
  undoneAt: row.undoneAt,
  survivorId: row.survivorId,
  retiredId: row.retiredId,
  uid: row.uid,
  claimant: row.claimant,
  reason: row.reason as MergePlan['reason'],
  trigger: { source: row.triggerSource as 'fxa' | 'newsletter', event: row.triggerEvent, id: row.triggerId },
  at: row.triggerAt.getTime(),
  addresses: row.addresses,
  token: { policy: row.tokenPolicy, reason: row.tokenReason as MergePlan['token']['reason'], keep: row.tokenSide },
  tokenKept: row.tokenKept,
  tokenRetired: row.tokenRetired,
  announced: row.announced,
});

/** What undoing it takes. */
export const recordOf = (merge: StoredMerge): MergeRecord => ({ ...merge, tokenSide: merge.token.keep });
