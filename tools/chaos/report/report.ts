/** A progress line every few seconds, and a table at the end. */
import { sumBy, sumOf } from '../../prometheus';
import type { Check, Ending } from '../checks/checks';
import type { DeadLetter } from '../checks/dead-letters';
import type { Received } from '../checks/mailer';
import type { FaultInjector, PastFault } from '../faults/injector';
import type { Progress } from '../load/producer';
import type { Options } from '../options';
import type { Drained } from './drained';
import type { Limits } from './limits';
import type { Monitor } from './monitor';

/** The end of a run, before its checks. */
export interface Run {
  options: Options;
  faults: FaultInjector;
  limits: Limits;
  monitor: Monitor;
  drained: Drained;
  /** How long load and faults lasted. */
  loadSeconds: number;
}

export interface Result extends Run {
  servers: string;
  sent: Progress;
  /** Messages sent, by kind, deliberate repetitions included. */
  messages: Map<string, number>;
  endings: readonly Ending[];
  received: ReadonlyMap<string, Received>;
  letters: readonly DeadLetter[];
  checks: readonly Check[];
}

const clock = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
};
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

export function progressLine(sinceMs: number, sent: Progress, monitor: Monitor, faults: FaultInjector): string {
  const happening = [...faults.current].join(' + ');
  return [
    clock(sinceMs),
    `published ${sent.confirmed}${sent.behind > 1_000 ? ` (${seconds(sent.behind)} behind)` : ''}`,
    `handled ${monitor.handled}`,
    `waiting ${monitor.depths?.work ?? '?'}`,
    ...(monitor.depths?.retry ? [`in retry queues ${monitor.depths.retry}`] : []),
    `merges ${monitor.merges}`,
    `outbox ${monitor.outbox ?? '?'}`,
    `faults ${faults.past.length}`,
    ...(happening ? [`now: ${happening}`] : []),
  ].join('  ');
}

/** The result as plain values, for `--json` and the table. */
export function summary(result: Result) {
  const { options, monitor, endings, received, letters, checks, sent, drained } = result;
  const faults = result.faults.past;
  const counters = monitor.counters();
  const notifications = [...received.values()];
  return {
    ok: checks.every(({ ok }) => ok),
    options,
    servers: result.servers,
    load: {
      seconds: result.loadSeconds,
      published: sent.confirmed,
      publishedAgain: sent.again,
      byKind: Object.fromEntries([...result.messages].sort(([a], [b]) => (a < b ? -1 : 1))),
      perSecond: Math.round(sent.confirmed / result.loadSeconds),
    },
    faults: faultsByKind(faults, monitor),
    handled: {
      // A killed worker's last half second is missing.
      counted: monitor.handled,
      byOutcome: Object.fromEntries(sumBy('outcome', counters, 'onecontact_messages_total')),
      retriesByError: Object.fromEntries(sumBy('type', counters, 'onecontact_messages_total', { outcome: 'retry' })),
      longestStallMs: monitor.longestStall.ms,
      duringStall: faults
        .filter(({ from, until }) => from <= monitor.longestStall.until && until >= monitor.longestStall.from - 1_000)
        .map(({ what }) => what),
      mostWaiting: monitor.maxBacklog,
      mostInRetry: monitor.maxRetry,
      drainedMs: drained.ms,
    },
    workers: {
      killed: endings.filter(({ how }) => how === 'killed').length,
      stopped: endings.filter(({ how }) => how === 'stopped').length,
      endedAtStart: endings.filter(({ how, wasUp }) => how === 'by itself' && !wasUp).length,
      crashed: endings.filter(({ how, wasUp }) => how === 'by itself' && wasUp).length,
      maxMemory: monitor.maxMemory,
    },
    merges: monitor.merges,
    notifications: {
      ids: received.size,
      byType: Object.fromEntries(countBy(notifications, ({ type }) => type)),
      redelivered: notifications.filter(({ times }) => times > 1).length,
      deliveries: notifications.reduce((sum, { times }) => sum + times, 0),
      mostInOutbox: monitor.maxOutbox,
      confirmed: sumOf(counters, 'onecontact_notifications_total', { outcome: 'confirmed' }),
      notConfirmed: Object.fromEntries(
        [...sumBy('outcome', counters, 'onecontact_notifications_total')].filter(([key]) => key !== 'confirmed'),
      ),
    },
    deadLetters: {
      messages: letters.length,
      ids: new Set(letters.map(({ id }) => id)).size,
      byReason: Object.fromEntries(countBy(letters, ({ reason }) => reason)),
    },
    checks,
  };
}

function faultsByKind(faults: readonly PastFault[], monitor: Monitor) {
  return [...new Set(faults.map(({ kind }) => kind))].sort().map((kind) => {
    const these = faults.filter((fault) => fault.kind === kind);
    const recoveries = these.flatMap((fault) => monitor.recoveryAfter(fault) ?? []);
    return {
      kind,
      times: these.length,
      longestMs: Math.max(...these.map(({ from, until }) => until - from)),
      slowestRecoveryMs: Math.max(0, ...recoveries),
    };
  });
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

/** The report for people. */
export function table(result: Result): string {
  const all = summary(result);
  const { load, handled, workers, notifications, deadLetters } = all;
  const list = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || 'none';
  const rows: [string, string][] = [
    ['servers', all.servers],
    ['seed', `${all.options.seed} (${all.options.workers} workers, ${all.options.producers} producers)`],
    [
      'published',
      `${load.published} in ${load.seconds.toFixed(0)} s (${load.perSecond}/s); ${load.publishedAgain} published again after a lost confirm`,
    ],
    ['  by kind', list(load.byKind)],
    ['handled', `${list(handled.byOutcome)} (what a worker did in the moment of its end is not counted)`],
    ['  retries', `${list(handled.retriesByError)}; at most ${handled.mostInRetry} in retry queues`],
    ['  waiting', `at most ${handled.mostWaiting}; all done ${seconds(handled.drainedMs)} after the last fault`],
    [
      '  longest stall',
      `${seconds(handled.longestStallMs)}${handled.duringStall.length > 0 ? ` (${handled.duringStall.join(', ')})` : ''}`,
    ],
    [
      'workers',
      `${workers.killed} killed, ${workers.stopped} stopped, ${workers.endedAtStart} found no database at their start, ${workers.crashed} crashed; at most ${megabytes(workers.maxMemory)}`,
    ],
    ['merges', String(all.merges)],
    [
      'notifications',
      `${notifications.ids} ids (${list(notifications.byType)}); ${notifications.deliveries} deliveries, ${notifications.redelivered} ids came more than once`,
    ],
    ['  outbox', `at most ${notifications.mostInOutbox}; not confirmed at first: ${list(notifications.notConfirmed)}`],
    ['dead letters', `${deadLetters.messages} of ${deadLetters.ids} ids (${list(deadLetters.byReason)})`],
  ];
  const wide = Math.max(...all.faults.map(({ kind }) => kind.length), 5);
  const lines = [
    '',
    ...rows.map(([name, text]) => `${name.padEnd(16)}${text}`),
    '',
    `${'fault'.padEnd(wide)}  times  longest  then handled again after`,
    ...all.faults.map(
      ({ kind, times, longestMs, slowestRecoveryMs }) =>
        `${kind.padEnd(wide)}  ${String(times).padStart(5)}  ${seconds(longestMs).padStart(7)}  ${seconds(slowestRecoveryMs)} at most`,
    ),
    '',
    ...all.checks.map(({ name, ok, detail }) => `${ok ? ' ok ' : 'FAIL'}  ${name}: ${detail}`),
    '',
  ];
  return lines.join('\n');
}
