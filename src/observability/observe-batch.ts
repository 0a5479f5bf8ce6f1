import type { ContactEvent } from '../contacts/facts/event';
import type { Applied } from '../ingest/transaction';
import type { Delivery } from '../rabbitmq/delivery';
import type { Metrics } from './metrics';

/** What a committed batch decided. */
export function observeApplied(metrics: Metrics, applied: Applied): void {
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

/** How far a batch was behind, by its oldest message: one observation, however many messages it has. */
export function observeLag(
  metrics: Metrics,
  queue: string,
  deliveries: readonly Delivery[],
  events: readonly ContactEvent[],
): void {
  const now = Date.now();
  const behind = (since: number): number => Math.max(0, now - since) / 1_000;
  const event = events.reduce((oldest, { at }) => Math.min(oldest, at), Number.POSITIVE_INFINITY);
  if (event < Number.POSITIVE_INFINITY) metrics.eventLag.observe({ queue }, behind(event));
  const publish = deliveries.reduce((oldest, it) => Math.min(oldest, publishedAt(it)), Number.POSITIVE_INFINITY);
  if (publish < Number.POSITIVE_INFINITY) metrics.publishLag.observe({ queue }, behind(publish));
}

/** RabbitMQ's interceptor `set_header_timestamp` writes this header; producers, if any, the property, in seconds. */
function publishedAt({ headers, properties }: Delivery): number {
  const { timestamp_in_ms: exact } = headers;
  if (typeof exact === 'number' && exact > 0) return exact;
  const { timestamp } = properties as { timestamp?: unknown };
  return typeof timestamp === 'number' && timestamp > 0 ? timestamp * 1_000 : Number.POSITIVE_INFINITY;
}
