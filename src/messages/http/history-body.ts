import type { StoredMerge } from '../../contacts/merge/merge';
import { triggerBody } from '../outgoing/merge-body';
import type { HistoryBody } from './schemas';

/**
 * A page of the merges that led to a contact, without their tokens.
 *
 * @param next the value of `after` in the request for the next page; null on the last page
 */
export const historyBody = (contactId: string, merges: readonly StoredMerge[], next: string | null): HistoryBody => ({
  contact_id: contactId,
  next,
  merges: merges.map((merge) => {
    const { source, event, event_time } = triggerBody(merge);
    return {
      merge_id: merge.id,
      merged_at: merge.mergedAt.toISOString(),
      reason: merge.reason,
      trigger: { source, event, event_time },
      survivor_contact_id: merge.survivorId,
      retired_contact_id: merge.retiredId,
      addresses: merge.addresses,
      token: { policy: merge.token.policy, reason: merge.token.reason },
      undone_at: merge.undoneAt?.toISOString() ?? null,
    };
  }),
});
