import type { ChangeSet } from '../contacts/change-recorder';
import type { Act } from '../contacts/facts/event';
import type { Explanation, Why } from '../contacts/merge/explain';
import type { MergePlan, MergeReason } from '../contacts/merge/merge';
import type { TokenPolicy, TokenReason } from '../contacts/merge/token-policy';
import type { Metrics } from './metrics';

type Decided = Pick<ChangeSet, 'inactiveClaims' | 'contacts' | 'reviews' | 'choices'> & {
  merges: readonly (Pick<MergePlan, 'reason' | 'token'> & { explanation: Explanation })[];
};

/** All values of a type; the compiler checks that none is missing. */
const all = <T extends string>(values: Record<T, true>): T[] => Object.keys(values) as T[];
const MERGE_REASONS = all<MergeReason>({ claim: true, recreated: true, deletion: true });
const TOKEN_POLICIES = all<TokenPolicy>({ address: true, account: true });
const TOKEN_REASONS = all<TokenReason>({ held_primary_address: true, survivor: true, only_token: true });
const ACTS = all<Act>({
  subscribe: true,
  unsubscribe: true,
  confirm: true,
  opt_out: true,
  set: true,
  reason: true,
});
const OPT_OUT_REASONS = ['only', 'same', 'proven', 'left_behind'] as const satisfies Why[];
const COLLISION_OUTCOMES = ['merged', 'held', 'blocked', 'closed', 'review'] as const;

/** Creates the series of all decisions, so that they start at zero. */
export function startDecisionsAtZero(metrics: Metrics): void {
  for (const reason of MERGE_REASONS) metrics.merges.inc({ reason }, 0);
  for (const policy of TOKEN_POLICIES)
    for (const reason of TOKEN_REASONS) metrics.tokenDecisions.inc({ policy, reason }, 0);
  for (const why of OPT_OUT_REASONS) metrics.optOutDecisions.inc({ why }, 0);
  for (const outcome of COLLISION_OUTCOMES) metrics.collisions.inc({ outcome }, 0);
  for (const act of ACTS) metrics.choices.inc({ act }, 0);
}

/** Counts the decisions of a committed batch. */
export function observeApplied(metrics: Metrics, applied: Decided): void {
  const { merges, inactiveClaims, contacts, reviews, choices } = applied;
  for (const { reason, token, explanation } of merges) {
    metrics.merges.inc({ reason });
    metrics.tokenDecisions.inc({ policy: token.policy, reason: token.reason });
    if (explanation.opted_out) metrics.optOutDecisions.inc({ why: explanation.opted_out.why });
  }
  const collisions: Record<(typeof COLLISION_OUTCOMES)[number], number> = {
    merged: merges.length,
    ...inactiveClaims,
    closed: contacts.changed.filter(({ state }) => state === 'closed').length,
    review: reviews.length,
  };
  for (const [outcome, count] of Object.entries(collisions)) if (count > 0) metrics.collisions.inc({ outcome }, count);
  const acts = new Map<string, number>();
  for (const { act } of choices) acts.set(act, (acts.get(act) ?? 0) + 1);
  for (const [act, count] of acts) metrics.choices.inc({ act }, count);
}

/** Counts the details that were left out of committed messages. @param fields names from a fixed list */
export function observeDropped(metrics: Metrics, fields: readonly string[]): void {
  for (const field of fields) metrics.droppedDetails.inc({ field });
}

/**
 * Observes how far behind a batch was: once per batch, however many messages it has.
 *
 * @param oldest the batch's oldest event and publish, in milliseconds since 1970; Infinity if unknown
 */
export function observeLag(metrics: Metrics, queue: string, oldest: { event: number; publish: number }): void {
  const now = Date.now();
  const behind = (since: number): number => Math.max(0, now - since) / 1_000;
  if (Number.isFinite(oldest.event)) metrics.eventLag.observe({ queue }, behind(oldest.event));
  if (Number.isFinite(oldest.publish)) metrics.publishLag.observe({ queue }, behind(oldest.publish));
}
