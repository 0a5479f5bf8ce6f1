import { WORKLOADS } from '../load/workloads';
import { NOTIFY_VARIANTS, type NotifyVariant } from '../measure/notify';
import type { Profile } from '../measure/profile';
import type { Run } from '../measure/run';
import { median, throughputOf } from '../measure/statistics';
import { CONTENDERS } from '../measure/throughput';
import type { Results } from './results';
import { targetsOf } from './targets';

/** Everything that was measured but the profiles, for a terminal. */
export function tables(results: Results): string {
  return [configuration, throughput, latency, processes, slots, intake, notify, console, growth, sizes, targets]
    .map((part) => part(results))
    .filter((text) => text !== '')
    .join('\n\n');
}

const number = (value: number): string => (Number.isNaN(value) ? '-' : Math.round(value).toLocaleString('en'));

function configuration({ configuration, baseline }: Results): string {
  const best = baseline ? { baseline: `concurrency ${baseline.concurrency} (best of ${gridText(baseline.grid)})` } : {};
  return Object.entries({ ...configuration, ...best })
    .map(([name, value]) => `${name.padEnd(20)} ${value}`)
    .join('\n');
}

const gridText = (grid: Record<number, number>): string =>
  Object.entries(grid)
    .map(([concurrency, value]) => `${concurrency}: ${number(value)}/s`)
    .join(', ') || 'not tried';

function throughput({ throughput = [] }: Results): string {
  if (throughput.length === 0) return '';
  const rows = throughput.map(({ workload, runs }) => [
    WORKLOADS[workload].title,
    ...CONTENDERS.map((name) => number(throughputOf(runs[name]))),
  ]);
  const costs = throughput.map(({ workload, runs }) => [
    WORKLOADS[workload].title,
    cost(runs.onecontact, 'cpu'),
    cost(runs.minimal, 'cpu'),
    cost(runs.baseline, 'cpu'),
    gcCost(runs.onecontact, 'young'),
    gcCost(runs.onecontact, 'old'),
    cost(runs.onecontact, 'ackFrames'),
  ]);
  const title = 'µs of CPU an event';
  return `${table(['Events a second', 'OneContact', 'Minimal', 'Baseline', 'Database limit', 'Broker limit'], rows)}

${table([title, 'OneContact', 'Minimal', 'Baseline', 'of which GC, young', 'GC, old', 'Acks'], costs)}`;
}

function cost(runs: readonly Run[], what: 'cpu' | 'ackFrames'): string {
  const value = median(runs.map((run) => run[what] / run.events));
  return what === 'cpu' ? number(1e6 * value) : value.toFixed(3);
}

function gcCost(runs: readonly Run[], generation: keyof Run['collected']): string {
  return (1e3 * median(runs.map((run) => run.collected[generation] / run.events))).toFixed(1);
}

function latency({ latency = [] }: Results): string {
  if (latency.length === 0) return '';
  const rows = latency.map(({ contender, rate, rounds }) => [
    `${contender} at ${number(rate)}/s`,
    ...(['p50', 'p90', 'p99', 'max'] as const).map((name) => median(rounds.map((round) => round[name])).toFixed(1)),
  ]);
  return table(['Latency, ms', 'p50', 'p90', 'p99', 'max'], rows);
}

function processes({ processes = [] }: Results): string {
  const rows = processes.map(({ processes, runs }) => [`${processes}`, number(throughputOf(runs))]);
  return rows.length === 0 ? '' : table(['Worker processes, mix-10', 'events/s'], rows);
}

function slots({ slots = [] }: Results): string {
  const rows = slots.map(({ concurrency, runs }) => [`${concurrency}`, number(throughputOf(runs)), cost(runs, 'cpu')]);
  return rows.length === 0 ? '' : table(['CONCURRENCY, all accounts connected', 'events/s', 'µs of CPU'], rows);
}

function intake({ intake = [] }: Results): string {
  const rows = intake.map(({ list, atOnce, runs }) => [
    list === null ? 'consumed by one worker' : `lists of ${list}, ${atOnce} requests at once`,
    number(throughputOf(runs)),
    number(median(runs.map(({ cpu, events }) => (1e6 * cpu) / events))),
  ]);
  return rows.length === 0 ? '' : table(['Events over HTTP, one process', 'events/s', 'µs of CPU'], rows);
}

/** Beside the first variant: throughput until all messages are published and until the last ack, and processor time. */
function notify({ notify = [] }: Results): string {
  const rows = notify.flatMap(({ workload, runs }) => {
    const base = runs[NOTIFY_VARIANTS[0] as NotifyVariant];
    return NOTIFY_VARIANTS.map((name) => {
      const own = runs[name];
      const percent = (of: (run: Run) => number): string =>
        `${(100 * median(own.map((run, round) => of(base[round] as Run) / of(run)))).toFixed(0)} %`;
      const server = (which: keyof Run['servers']): string =>
        number(1e6 * median(own.map((run) => (run.servers[which] ?? Number.NaN) / run.events)));
      const [elapsed, acked] = [percent((run) => run.elapsed), percent((run) => run.acked)];
      const servers = [server('postgresql'), server('rabbitmq')];
      return [`${workload}: ${name}`, number(throughputOf(own)), elapsed, acked, cost(own, 'cpu'), ...servers];
    });
  });
  const head = ['With', 'events/s', 'until published', 'until acked', 'µs of CPU', 'PostgreSQL', 'RabbitMQ'];
  return rows.length === 0 ? '' : table(head, rows);
}

/** Beside the look-up, which is the first. */
function console({ console: pages = [] }: Results): string {
  const lookUp = pages[0]?.p95 ?? Number.NaN;
  const rows = pages.map(({ page, p50, p95 }) => [
    page,
    p50.toFixed(1),
    p95.toFixed(1),
    `${(p95 / lookUp).toFixed(1)} x`,
  ]);
  return rows.length === 0 ? '' : table(['Console', 'p50 ms', 'p95 ms', 'p95 / look-up'], rows);
}

function growth({ growth = [] }: Results): string {
  const rows = growth.map(({ workload, contacts, runs, limit }) => [
    `${workload}, ${number(contacts)} contacts`,
    number(throughputOf(runs)),
    number(throughputOf(limit)),
  ]);
  return rows.length === 0 ? '' : table(['Growth, events a second', 'OneContact', 'Database limit'], rows);
}

function sizes({ sizes = [] }: Results): string {
  const rows = sizes.map(({ table, rows, heap, indexes }) => [
    table,
    ...[rows, heap, indexes, heap + indexes].map(number),
  ]);
  return rows.length === 0 ? '' : table(['Table', 'rows', 'bytes a row', 'of indexes', 'together'], rows);
}

function targets(results: Results): string {
  const rows = targetsOf(results).map((it) => [it.what, it.measured, it.wanted, it.met ? 'met' : 'NOT MET']);
  return rows.length === 0 ? '' : table(['Target', 'measured', 'wanted', ''], rows);
}

/** The number of statements shown, most expensive first. */
const STATEMENTS = 14;

export function profileText({ workload, events, elapsed, cpu, worker, allocated, statements }: Profile): string {
  const us = (ms: number): string => ((1_000 * ms) / events).toFixed(1);
  const seconds = (value: number | null): string => (value === null ? '?' : us(1_000 * value));
  const servers = `PostgreSQL ${seconds(cpu.postgresql)}, RabbitMQ ${seconds(cpu.rabbitmq)}`;
  const bytes = new Map(allocated);
  const places = worker.map(([name, ms]) => [name, us(ms), number((bytes.get(name) ?? 0) / events)]);
  const costs = statements
    .slice(0, STATEMENTS)
    .map(({ query, calls, planned, executed, pages, walKb }) => [
      query.slice(0, 76),
      `${calls}`,
      `${(planned / calls).toFixed(2)} ms`,
      `${(executed / calls).toFixed(2)} ms`,
      us(planned + executed),
      `${pages}`,
      `${walKb}`,
    ]);
  return [
    `${WORKLOADS[workload].title}: ${us(elapsed)} µs an event; processor: worker ${seconds(cpu.worker)}, ${servers}`,
    table(['Worker, by place', 'µs/event', 'bytes/event'], places),
    table(['Statement', 'calls', 'planned', 'executed', 'µs/event', 'pages', 'WAL kB'], costs),
  ].join('\n\n');
}

/** Aligns the first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
