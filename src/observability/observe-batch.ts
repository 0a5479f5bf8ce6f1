import type { ChangeSet } from '../contacts/change-recorder';
import type { Explanation } from '../contacts/merge/explain';
import type { MergePlan } from '../contacts/merge/merge';
import type { Metrics } from './metrics';

type Decided = Pick<ChangeSet, 'inactiveClaims' | 'contacts' | 'reviews' | 'choices'> & {
  merges: readonly (Pick<MergePlan, 'reason' | 'token'> & { explanation: Explanation })[];
};

/** Counts the decisions of a committed batch. */
export function observeApplied(metrics: Metrics, applied: Decided): void {
  const { merges, inactiveClaims, contacts, reviews, choices } = applied;
  for (const { reason, token, explanation } of merges) {
    metrics.merges.inc({ reason });
    metrics.tokenDecisions.inc({ policy: token.policy, reason: token.reason });
    if (explanation.opted_out) metrics.optOutDecisions.inc({ why: explanation.opted_out.why });
  }
  const collisions = {
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
 * Observes how far a batch was behind, once, however many messages it has.
 *
 * @param oldest the batch's oldest event and publish, in milliseconds since 1970; Infinity if unknown
 */
export function observeLag(metrics: Metrics, queue: string, oldest: { event: number; publish: number }): void {
  const now = Date.now();
  const behind = (since: number): number => Math.max(0, now - since) / 1_000;
  if (Number.isFinite(oldest.event)) metrics.eventLag.observe({ queue }, behind(oldest.event));
  if (Number.isFinite(oldest.publish)) metrics.publishLag.observe({ queue }, behind(oldest.publish));
}
