/** A live contact as its readers get it: over HTTP, from `show --json`, and in the export. */
import { viewFields } from '../../contacts/profile/canonical';
import { iso } from '../../foundation/times';
import type { StoredPerson } from '../../postgres/contact-views';
import type { HistoryEntry } from '../../postgres/find-history';

export function contactBody({ contact, view }: StoredPerson) {
  const newsletters = [...view.newsletters].map(([name, { state, since }]) => [name, { state, since: iso(since) }]);
  return {
    id: contact.id,
    basket_token: contact.token,
    version: contact.version,
    addresses: view.addresses,
    account: view.account,
    ...viewFields(view),
    newsletters: Object.fromEntries(newsletters) as Record<string, { state: string; since: string }>,
  };
}

export type ContactBody = ReturnType<typeof contactBody>;

/** The merges that led to a contact, under the names of `contact.merged`. */
export function historyBody(id: string, merges: readonly HistoryEntry[]) {
  return {
    id,
    merges: merges.map((merge) => ({
      merge_id: merge.id,
      merged_at: merge.mergedAt.toISOString(),
      reason: merge.reason,
      trigger: {
        source: merge.trigger.source,
        event: merge.trigger.event,
        event_time: merge.trigger.at.toISOString(),
      },
      survivor_id: merge.survivorId,
      retired_id: merge.retiredId,
      addresses: merge.addresses,
      token: merge.token,
      undone_at: merge.undoneAt?.toISOString() ?? null,
    })),
  };
}
