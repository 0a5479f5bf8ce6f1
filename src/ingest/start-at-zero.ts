import { DEAD_LETTER_REASONS, DETAIL_FIELDS } from '../messages/incoming/decoded';
import { FXA_TYPES } from '../messages/incoming/fxa';
import { NEWSLETTER_TYPES } from '../messages/incoming/newsletter';
import { type Metrics, PAUSE_REASONS } from '../observability/metrics';
import { startDecisionsAtZero } from '../observability/observe-batch';
import { RETRY_DELAYS } from '../rabbitmq/names';

const TYPES = { fxa: FXA_TYPES, newsletter: { handled: NEWSLETTER_TYPES, ignored: [] } };

/**
 * Creates a worker's series whose labels are known. Prometheus sees no increase when a series appears with its first count:
 * without this, the first dead letter after a start would raise no alert. Error codes are not known beforehand.
 */
export function startAtZero(
  metrics: Metrics,
  { source, queue }: { source: 'fxa' | 'newsletter'; queue: string },
): void {
  metrics.paused.set({ queue }, 0);
  metrics.waitingForPublisher.set({ queue }, 0);
  metrics.staleReads.inc({ queue }, 0);
  for (const reason of PAUSE_REASONS) metrics.pauses.inc({ queue, reason }, 0);
  for (const { name: delay } of RETRY_DELAYS) metrics.retries.inc({ queue, delay }, 0);
  for (const reason of [...DEAD_LETTER_REASONS, 'failed', 'rejected']) metrics.deadLetters.inc({ queue, reason }, 0);
  for (const field of DETAIL_FIELDS) metrics.droppedDetails.inc({ field }, 0);
  const { handled, ignored } = TYPES[source];
  for (const type of handled) {
    for (const outcome of ['ok', 'erased']) metrics.messages.inc({ queue, type, outcome }, 0);
  }
  for (const type of ignored) metrics.messages.inc({ queue, type, outcome: 'ignored' }, 0);
  for (const type of [...DEAD_LETTER_REASONS, 'failed']) metrics.messages.inc({ queue, type, outcome: 'dead' }, 0);
  startDecisionsAtZero(metrics);
}
