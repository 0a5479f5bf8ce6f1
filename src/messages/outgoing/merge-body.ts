/** A merge as JSON: in notifications, the history of a contact, and the commands' `--json`. */
import type { Time, Trigger } from '../../contacts/facts/event';
import type { Dated } from '../../contacts/facts/facts';
import { shownKey } from '../../contacts/facts/pseudonym';
import {
  type ExplainedMerge,
  type MergeDetails,
  type NewsletterState,
  type Verdict,
  valueAfter,
} from '../../contacts/merge/explain';
import type { MergePlan, StoredMerge } from '../../contacts/merge/merge';
import { iso } from '../../foundation/times';
import { knownTime } from './contact-body';

export const triggerBody = ({ trigger, at }: { trigger: Trigger; at: Time }) => ({
  source: trigger.source,
  event: trigger.event,
  event_id: trigger.id,
  event_time: iso(at),
});

/** Without the id, because a merge that is only planned has none to show. */
const mergeBody = (merge: MergePlan) => ({
  reason: merge.reason,
  trigger: triggerBody(merge),
  survivor: { contact_id: merge.survivorId, account_id: shownKey(merge.uid) },
  retired: { contact_id: merge.retiredId, account_id: shownKey(merge.claimant), addresses: merge.addresses },
  token: {
    policy: merge.token.policy,
    reason: merge.token.reason,
    side: merge.token.keep,
    kept: merge.tokenKept,
    retired: merge.tokenRetired,
  },
  announced: merge.announced,
});

export const explainedMergeBody = (merge: ExplainedMerge) => ({
  ...mergeBody(merge),
  explanation: explanationBody(merge),
});

export const storedMergeBody = (merge: StoredMerge) => ({
  merge_id: merge.id,
  merged_at: merge.mergedAt.toISOString(),
  undone_at: undoneAt(merge),
  ...mergeBody(merge),
});

const undoneAt = ({ undoneAt }: StoredMerge): string | null => undoneAt?.toISOString() ?? null;

export const mergeDetailsBody = (merge: MergeDetails) => ({
  ...storedMergeBody(merge),
  survivor_state: merge.contacts.survivor.state,
  retired_state: merge.contacts.retired.state,
  blocked_addresses: merge.blocked,
  explanation: explanationBody(merge),
});

/** Spells the value after the merge out in each verdict; null for a merge without an explanation. */
function explanationBody({ explanation }: ExplainedMerge) {
  if (!explanation) return null;
  const { primary, fields, newsletters, opted_out } = explanation;
  const field = ({ value, at }: Dated) => ({ value, at: knownTime(at) });
  const newsletter = ({ state, since }: NewsletterState) => ({ state, since: knownTime(since) });
  const all = <T, S>(verdicts: { [name: string]: Verdict<T> }, bodyOf: (value: T) => S) =>
    Object.fromEntries(Object.entries(verdicts).map(([name, verdict]) => [name, verdictBody(verdict, bodyOf)]));
  return {
    primary: primary
      ? verdictBody(primary, ({ value, at }) => ({ value, at: at === null ? null : knownTime(at) }))
      : null,
    fields: all(fields, field),
    newsletters: all(newsletters, newsletter),
    opted_out: opted_out ? verdictBody(opted_out, (value) => value) : null,
  };
}

function verdictBody<T, S>(verdict: Verdict<T>, bodyOf: (value: T) => S) {
  const orNull = (value: T | undefined): S | null => (value === undefined ? null : bodyOf(value));
  const { survivor, retired, won, why } = verdict;
  return { survivor: orNull(survivor), retired: orNull(retired), after: orNull(valueAfter(verdict)), won, why };
}
