/** What a run tells its reader: a line every few seconds, and a table at the end. */

import type { Check } from './checks';
import { byLabel, sumOf } from './counters';
import type { DeadLetter } from './dead-letters';
import type { Happened } from './faults';
import type { Received } from './mailer';
import type { Options } from './options';
import type { Told } from './producer';
import type { Settled } from './settle';
import type { Watch } from './watch';
import type { Ending } from './worker';

export interface Result {
  options: Options;
  servers: string;
  /** Seconds that the load lasted, and that the rest took. */
  loadSeconds: number;
  sent: Told;
  /** Messages sent, by kind; publications that were repeated on purpose are in it. */
  messages: Map<string, number>;
  faults: readonly Happened[];
  endings: readonly Ending[];
  watch: Watch;
  settled: Settled;
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

export function progressLine(sinceMs: number, sent: Told, watch: Watch, faults: number, now: Iterable<string>): string {
  const happening = [...now].join(' + ');
  return [
    clock(sinceMs),
    `published ${sent.confirmed}${sent.behind > 1_000 ? ` (${seconds(sent.behind)} behind)` : ''}`,
    `handled ${watch.handled}`,
    `waiting ${watch.depths?.work ?? '?'}`,
    ...(watch.depths?.retry ? [`on the ladder ${watch.depths.retry}`] : []),
    `merges ${watch.merges}`,
    `outbox ${watch.outbox ?? '?'}`,
    `faults ${faults}`,
    ...(happening ? [`now: ${happening}`] : []),
  ].join('  ');
}

/** The whole result as plain values, for `--json` and for the table below. */
export function summary(result: Result) {
  const { options, watch, faults, endings, received, letters, checks, sent, settled } = result;
  const counters = watch.counters();
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
    faults: faultsByKind(faults, watch),
    handled: {
      // Of a worker that was killed, the last half second is missing.
      counted: watch.handled,
      byOutcome: Object.fromEntries(byLabel(counters, /^onecontact_messages_total/, 'outcome')),
      retriesByError: Object.fromEntries(byLabel(counters, /outcome="retry"/, 'type')),
      longestStallMs: watch.longestStall.ms,
      duringStall: faults
        .filter(({ from, until }) => from <= watch.longestStall.until && until >= watch.longestStall.from - 1_000)
        .map(({ what }) => what),
      mostWaiting: watch.maxBacklog,
      mostOnLadder: watch.maxRetry,
      settledMs: settled.ms,
    },
    workers: {
      killed: endings.filter(({ how }) => how === 'killed').length,
      stopped: endings.filter(({ how }) => how === 'stopped').length,
      endedAtStart: endings.filter(({ how, wasUp }) => how === 'by itself' && !wasUp).length,
      crashed: endings.filter(({ how, wasUp }) => how === 'by itself' && wasUp).length,
      maxMemory: watch.maxMemory,
    },
    merges: watch.merges,
    notifications: {
      ids: received.size,
      byType: Object.fromEntries(countBy(notifications, ({ type }) => type)),
      redelivered: notifications.filter(({ times }) => times > 1).length,
      deliveries: notifications.reduce((sum, { times }) => sum + times, 0),
      mostInOutbox: watch.maxOutbox,
      confirmed: sumOf(counters, /^onecontact_notifications_total.*outcome="confirmed"/),
      notConfirmed: Object.fromEntries(
        [...byLabel(counters, /^onecontact_notifications_total/, 'outcome')].filter(([key]) => key !== 'confirmed'),
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

function faultsByKind(faults: readonly Happened[], watch: Watch) {
  return [...new Set(faults.map(({ kind }) => kind))].sort().map((kind) => {
    const these = faults.filter((fault) => fault.kind === kind);
    const recoveries = these.flatMap((fault) => watch.recoveryAfter(fault) ?? []);
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

/** The table that a person reads. */
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
    ['  retries', `${list(handled.retriesByError)}; at most ${handled.mostOnLadder} on the ladder`],
    ['  waiting', `at most ${handled.mostWaiting}; all done ${seconds(handled.settledMs)} after the last fault`],
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
