import { WORKLOADS } from '../load/workloads';
import type { Run } from '../measure/run';
import { median, ratioOf, throughputOf } from '../measure/statistics';
import type { ContenderName } from '../measure/throughput';
import type { Results } from './results';

export interface Target {
  what: string;
  wanted: string;
  measured: string;
  met: boolean;
}

/** Rounds differ by up to this much. */
const NOISE = 0.05;

/** The targets for everything that was measured. */
export function targetsOf(results: Results): Target[] {
  return [
    ...timesBaseline(results, 'new', 'new sign-ups', 20),
    ...shareOfMinimal(results, 'new', 'new sign-ups', 0.7),
    ...timesBaseline(results, 'known', 'known sign-ups', 20),
    ...shareOfMinimal(results, 'known', 'known sign-ups', 0.7),
    ...logins(results),
    ...timesBaseline(results, 'real-life', 'real-life mix', 20),
    ...shareOfMinimal(results, 'real-life', 'real-life mix', 0.6),
    ...timesBaseline(results, 'mix-10', 'mix with 10 % collisions', 20),
    ...latency(results),
    ...growth(results),
    ...processes(results),
    ...slots(results),
    ...intake(results),
    ...notify(results),
    ...console(results),
    ...memory(results),
  ];
}

function runsOf({ throughput = [] }: Results, workload: string, name: ContenderName): readonly Run[] {
  return throughput.find((it) => it.workload === workload)?.runs[name] ?? [];
}

function timesBaseline(results: Results, workload: string, title: string, times: number): Target[] {
  const [ours, theirs] = [runsOf(results, workload, 'onecontact'), runsOf(results, workload, 'baseline')];
  if (ours.length === 0) return [];
  const ratio = ratioOf(ours, theirs);
  return [
    { what: `${title} / baseline`, wanted: `>= ${times} x`, measured: `${ratio.toFixed(1)} x`, met: ratio >= times },
  ];
}

function shareOfMinimal(results: Results, workload: string, title: string, wanted: number): Target[] {
  const [ours, limit] = [runsOf(results, workload, 'onecontact'), runsOf(results, workload, 'minimal')];
  if (ours.length === 0) return [];
  return [share(`${title} / minimal consumer`, ratioOf(ours, limit), wanted)];
}

/** A login costs about as much as a repeated sign-up, whatever came before it. */
function logins(results: Results): Target[] {
  const signUps = runsOf(results, 'known', 'onecontact');
  return (['logins', 'logins-300'] as const).flatMap((workload) => {
    const ours = runsOf(results, workload, 'onecontact');
    if (ours.length === 0) return [];
    const title = WORKLOADS[workload].title.toLowerCase();
    const ratio = signUps.length === 0 ? [] : [share(`${title} / known sign-ups`, ratioOf(ours, signUps), 0.8)];
    return [...ratio, ...timesBaseline(results, workload, title, 20)];
  });
}

function latency({ latency = [] }: Results): Target[] {
  const of = (contender: string) => latency.find((it) => it.contender === contender);
  const [ours, theirs] = [of('onecontact')?.rounds, of('baseline')?.rounds];
  if (!ours || !theirs) return [];
  const p50 = median(ours.map((round) => round.p50));
  const p99 = median(ours.map((round) => round.p99));
  const half = median(theirs.map((round) => round.p50));
  const limit = 3 * p50 + 20;
  return [
    { what: 'p50 at 1,000/s', wanted: `<= ${ms(half)} (baseline at half load)`, measured: ms(p50), met: p50 <= half },
    { what: 'p99 at 1,000/s', wanted: `< ${ms(limit)} (3 p50 + 20 ms)`, measured: ms(p99), met: p99 < limit },
  ];
}

function growth({ growth = [] }: Results): Target[] {
  return growth.flatMap(({ workload, contacts, runs }) => {
    const first = growth.find((it) => it.workload === workload);
    if (!first || first.contacts === contacts) return [];
    const what = `${workload}, ${contacts.toLocaleString('en')} contacts / ${first.contacts.toLocaleString('en')}`;
    return [share(what, ratioOf(runs, first.runs), contacts <= 1_000_000 ? 0.85 : 0.8)];
  });
}

function processes({ processes = [] }: Results): Target[] {
  const [one, ...more] = processes;
  if (!one) return [];
  const deadlocks = more
    .flatMap(({ runs }) => runs.flatMap(({ warnings }) => Object.entries(warnings)))
    .reduce((sum, [text, count]) => (text.includes('40P01') ? sum + count : sum), 0);
  return [
    ...more.map(({ processes, runs }) => share(`${processes} processes / one`, ratioOf(runs, one.runs), 1 - NOISE)),
    { what: 'deadlocks, several processes', wanted: '0', measured: `${deadlocks}`, met: deadlocks === 0 },
  ];
}

/** A second slot must not cost more than it brings, even where each batch waits for the other. */
function slots({ slots = [] }: Results): Target[] {
  const [one, two] = slots;
  return one && two ? [share('CONCURRENCY 2 / 1, all accounts connected', ratioOf(two.runs, one.runs), 1 - NOISE)] : [];
}

/**
 * One process takes over HTTP what one worker consumes. By processor time, which is what limits both, because a producer and the
 * broker share the machine with the one, and PostgreSQL with the other.
 */
function intake({ intake = [] }: Results): Target[] {
  const cost = (list: number | null): number[] =>
    (intake.find((it) => it.list === list)?.runs ?? []).map(({ cpu, events }) => (1e6 * cpu) / events);
  const [worker, lists] = [median(cost(null)), median(cost(100))];
  if (Number.isNaN(worker)) return [];
  const what = 'CPU of an event: over HTTP, in lists of 100';
  return [
    { what, wanted: `<= ${worker.toFixed(0)} µs (worker)`, measured: `${lists.toFixed(0)} µs`, met: lists <= worker },
  ];
}

/** Staff wait for a page hardly longer than a site for a contact. */
function console({ console: [lookUp, ...pages] = [] }: Results): Target[] {
  return pages.map(({ page, p95 }) => {
    const ratio = p95 / (lookUp?.p95 ?? Number.NaN);
    return { what: `console, ${page} / look-up`, wanted: '<= 5 x', measured: `${ratio.toFixed(1)} x`, met: ratio <= 5 };
  });
}

/** To the last ack: `contact.changed` is published once the workers have caught up. */
function notify({ notify = [] }: Results): Target[] {
  return notify.map(({ workload, runs }) => {
    const without = runs['neither feed nor NOTIFY_CHANGES'];
    const ratios = runs['feed and NOTIFY_CHANGES'].map(
      (run, round) => (without[round]?.acked ?? Number.NaN) / run.acked,
    );
    return share(`${workload}, handled with feed and NOTIFY_CHANGES / with neither`, median(ratios), 0.85);
  });
}

function memory({ memory }: Results): Target[] {
  if (!memory || memory.peak === null) return [];
  const what = `peak memory, backlog of ${memory.backlog.toLocaleString('en')}`;
  const target = (what: string, peak: number, limit: number): Target => ({
    ...{ what, wanted: `< ${limit} MB`, measured: `${peak.toFixed(0)} MB`, met: peak < limit },
  });
  const heavy = memory.heavy.map(({ what, peak }) => target(`peak memory, ${what}`, peak ?? 0, 500));
  return [target(what, memory.peak, 250), ...heavy];
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

function share(what: string, ratio: number, least: number): Target {
  const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
  return { what, wanted: `>= ${percent(least)}`, measured: percent(ratio), met: ratio >= least };
}

/** The target of `--quick`, so low that only something badly wrong misses it. */
export function quickProblems(results: Results, times = 5): string[] {
  return (results.throughput ?? []).flatMap(({ workload, runs }) => {
    const ratio = throughputOf(runs.onecontact) / throughputOf(runs.baseline);
    return ratio >= times ? [] : [`${workload}: ${ratio.toFixed(1)} times the baseline, not ${times}`];
  });
}
