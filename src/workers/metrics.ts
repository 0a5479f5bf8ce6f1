import { Counter, Registry } from 'prom-client';

/** What the service counts. Labels have few values, and nothing personal. */
export interface Metrics {
  registry: Registry;
  /** Messages by queue, outcome (ok, ignored, erased, dead, retry, wait) and type; of dead ones the reason, of retries and waits the error's code. */
  messages: Counter<'queue' | 'type' | 'outcome'>;
  /** Merges by reason. */
  merges: Counter<'reason'>;
  /** Claims that came and do not count: held in observe mode, blocked since a merge was undone. Repetitions included. */
  uncountedClaims: Counter<'standing'>;
  /** Notifications by type and what became of publishing them. */
  notifications: Counter<'type' | 'outcome'>;
}

export function makeMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    messages: new Counter({
      name: 'onecontact_messages_total',
      help: 'Messages handled, by queue, outcome and type (of dead ones the reason, of retries the error code)',
      labelNames: ['queue', 'type', 'outcome'],
      registers,
    }),
    merges: new Counter({
      name: 'onecontact_merges_total',
      help: 'Contacts merged, by reason',
      labelNames: ['reason'],
      registers,
    }),
    uncountedClaims: new Counter({
      name: 'onecontact_uncounted_claims_total',
      help: 'Claims that came and do not count, by standing (held, blocked), repetitions included',
      labelNames: ['standing'],
      registers,
    }),
    notifications: new Counter({
      name: 'onecontact_notifications_total',
      help: 'Notifications published, by type and outcome',
      labelNames: ['type', 'outcome'],
      registers,
    }),
  };
}
