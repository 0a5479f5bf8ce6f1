import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * The stages of a batch, in order. `begin` is the wait for a connection and the start of the transaction, `load` the locks
 * and all reading, `save` all writing, `settle` the acks and the confirms of forwarded messages. When a transaction fails,
 * its remaining stages are not observed.
 */
export const STAGES = ['decode', 'begin', 'load', 'decide', 'save', 'commit', 'settle'] as const;
export type Stage = (typeof STAGES)[number];

/**
 * Why consumption is paused: the database is unavailable, or too slow for any event; another transaction holds all rows that
 * are needed; people were erased with a key that this process does not have; or the broker accepts no messages for the retry
 * queues and the dead letters.
 */
export const PAUSE_REASONS = [
  'database_down',
  'database_slow',
  'rows_held',
  'erasure_key',
  'publishing_blocked',
] as const;
export type PauseReason = (typeof PAUSE_REASONS)[number];

const STAGE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const LAG_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800, 7_200, 86_400];
const SIZE_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/**
 * The service's metrics. Every label has few values, known beforehand or reduced to codes, and none is personal. Metrics
 * are observed once per batch or on a failure, so that they do not slow messages down.
 */
export function makeMetrics() {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new Counter({ name: `onecontact_${name}`, help, labelNames, registers: [registry] });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `onecontact_${name}`, help, labelNames, registers: [registry] });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram({ name: `onecontact_${name}`, help, buckets, labelNames, registers: [registry] });
  return {
    registry,
    messages: counter(
      'messages_total',
      'Messages handled, by queue, outcome and type (the reason of dead letters, the error code of retries)',
      'queue',
      'type',
      'outcome',
    ),
    batchMessages: histogram('batch_messages', 'Messages in a batch', SIZE_BUCKETS, 'queue'),
    stageSeconds: histogram(
      'batch_stage_duration_seconds',
      'Time that a batch spends in each stage',
      STAGE_BUCKETS,
      'queue',
      'stage',
    ),
    eventLag: histogram(
      'event_lag_seconds',
      'Time from the oldest event of a batch until the batch was acknowledged',
      LAG_BUCKETS,
      'queue',
    ),
    publishLag: histogram(
      'publish_lag_seconds',
      'Time from the oldest publish of a batch until the batch was acknowledged, where messages have a timestamp',
      LAG_BUCKETS,
      'queue',
    ),
    consuming: gauge(
      'consuming',
      'Whether the broker pushes messages of a queue to this process (1) or not (0)',
      'queue',
    ),
    staleReads: counter(
      'stale_reads_total',
      'Batches that were locked and loaded again, because another transaction changed the rows that they reach',
      'queue',
    ),
    retries: counter('retries_total', 'Messages put on the retry delays, by step', 'queue', 'delay'),
    deadLetters: counter('dead_letters_total', 'Messages put into the dead letters, by reason', 'queue', 'reason'),
    pauses: counter('pauses_total', 'Times that consumption was paused, by reason', 'queue', 'reason'),
    paused: gauge('consumption_paused', 'Whether consumption is paused (1) or not (0)', 'queue'),
    waitingForPublisher: gauge(
      'waiting_for_publisher',
      'Messages that wait unacknowledged until the broker has confirmed them in a retry queue or the dead letters',
      'queue',
    ),
    merges: counter('merges_total', 'Contacts merged, by reason', 'reason'),
    collisions: counter(
      'collisions_total',
      'Claims on an address of another contact, by outcome: merged, held or blocked (repetitions included), closed, or review of its owner',
      'outcome',
    ),
    tokenDecisions: counter(
      'token_decisions_total',
      'Which basket token a merge kept, by policy and reason',
      'policy',
      'reason',
    ),
    optOutDecisions: counter(
      'opt_out_decisions_total',
      'Merges with an opt-out, by what happens to it: it stays (only, same), is lifted (proven), or belongs to another person (left_behind)',
      'why',
    ),
    droppedDetails: counter('dropped_details_total', 'Unusable details of handled messages, by field', 'field'),
    intakeRequests: counter('intake_requests_total', 'Requests with events, by route and outcome', 'route', 'outcome'),
    choices: counter('choices_total', 'Choices received, by act, repetitions included', 'act'),
    notifications: counter('notifications_total', 'Notifications published, by type and outcome', 'type', 'outcome'),
    notificationLag: histogram(
      'notification_lag_seconds',
      'Time from the commit of a notification to the outbox until the broker confirmed it',
      LAG_BUCKETS,
    ),
    reconnects: counter('broker_reconnects_total', 'Times that a connection to the broker came back', 'connection'),
    healthy: gauge('healthy', 'Whether a check of the health check works (1) or not (0) in this process', 'check'),
    databaseUp: gauge('database_up', 'Whether this process can use the database (1) or not (0)'),
    connected: gauge('broker_connected', 'Whether a connection to the broker is up (1) or not (0)', 'connection'),
    brokerBlocked: gauge(
      'broker_blocked',
      'Whether the broker blocks publishing on a connection (1) or not (0)',
      'connection',
    ),
    topologyRestored: counter(
      'topology_restored_total',
      'Exchanges and queues that had disappeared from the broker and were declared again',
    ),
    unroutedRecovered: counter(
      'unrouted_recovered_total',
      'Messages that the alternate exchange had caught, by the queue to which they were moved',
      'queue',
    ),
    databaseErrors: counter(
      'database_errors_total',
      'Transactions that failed, by SQLSTATE (or the name of the error) and kind',
      'code',
      'kind',
    ),
    outboxMessages: gauge('outbox_messages', 'Notifications in the outbox; no more than 100000 are counted'),
    outboxAge: gauge('outbox_oldest_age_seconds', 'Age of the oldest notification in the outbox; 0 when it is empty'),
    compactedRows: counter('compacted_rows_total', 'Rows that compaction removed or blanked', 'what'),
    compactedPages: counter(
      'compacted_pages_total',
      'Pages that compaction finished, or left for the next run because rows were locked or the page failed',
      'outcome',
    ),
    compactionFinished: gauge(
      'compaction_finished_timestamp_seconds',
      'End of the last full run of compaction by any process; 0 before the first',
    ),
    feedFenceAge: gauge(
      'feed_fence_age_seconds',
      'How long the same transaction has held back changes from the change feed; 0 when none waits',
    ),
    buildInfo: gauge('build_info', 'What runs; always 1', 'version', 'commit'),
  };
}

export type Metrics = ReturnType<typeof makeMetrics>;

/** The label of an error code. Anything that does not look like a code becomes `other`, to bound the label's values. */
export const codeLabel = (code: string): string => (/^[A-Za-z0-9_]{1,40}$/.test(code) ? code : 'other');
