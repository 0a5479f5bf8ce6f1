/** `npm run bench`: see `--help`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { optionsOrExit } from '../options';
import { startServices } from '../services';
import { type Bench, closeBench, openBench, readConfiguration } from './bench';
import { WORKLOAD_NAMES } from './load/workloads';
import { measureConsole } from './measure/console';
import { measureIntake } from './measure/intake';
import { measureLatency } from './measure/latency';
import { measureMemory } from './measure/memory';
import { measureNotify } from './measure/notify';
import { profileAll } from './measure/profile';
import { STATEMENT_SETTINGS } from './measure/server-costs';
import { measureSizes } from './measure/sizes';
import { measureSlots } from './measure/slots';
import { throughputOf } from './measure/statistics';
import { measureGrowth, measureProcesses, measureThroughput, runBaseline, tuneBaseline } from './measure/throughput';
import { HELP, type Options, type Part, readOptions } from './options';
import { plot } from './report/plot';
import type { Results } from './report/results';
import { profileText, tables } from './report/table';
import { quickProblems } from './report/targets';

const CHECKOUT = resolve(__dirname, '../..');
const RESULTS = join(CHECKOUT, 'tools/bench/results');
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function run(options: Options): Promise<number> {
  // Counting statements costs a little, so only the profile does it.
  const settings = options.only.includes('profile') ? STATEMENT_SETTINGS : [];
  const services = await startServices({ log: say, durable: true, settings });
  try {
    const bench = await openBench(options, services, say);
    try {
      const results = await measure(bench);
      print(`\n${tables(results)}`);
      await write(results, options);
      const problems = options.quick ? quickProblems(results) : [];
      for (const problem of problems) print(`TOO SLOW: ${problem}`);
      return problems.length === 0 ? 0 : 1;
    } finally {
      await closeBench(bench);
    }
  } finally {
    await services.stop();
  }
}

async function measure(bench: Bench): Promise<Results> {
  const { options } = bench;
  const wants = (part: Part): boolean => options.only.includes(part);
  const named = WORKLOAD_NAMES.filter(wants);
  const workloads = wants('profile') ? [] : named;
  const results: Results = { configuration: await readConfiguration(bench) };
  if (workloads.length > 0 || wants('latency')) {
    say('The best concurrency of the baseline …');
    results.baseline = await tuneBaseline(bench);
  }
  const concurrency = results.baseline?.concurrency ?? 0;
  if (workloads.length > 0) {
    say('Throughput …');
    results.throughput = await measureThroughput(bench, workloads, concurrency);
  }
  if (wants('latency')) {
    say('Latency …');
    const measured = results.throughput?.find(({ workload }) => workload === 'new')?.runs.baseline;
    const best = throughputOf(measured ?? [await runBaseline(bench, 'new', concurrency)]);
    results.latency = await measureLatency(bench, concurrency, best);
  }
  if (wants('processes')) {
    say('Several worker processes …');
    results.processes = await measureProcesses(bench);
  }
  if (wants('slots')) {
    say('One slot and two …');
    results.slots = await measureSlots(bench);
  }
  if (wants('intake')) {
    say('Intake over HTTP …');
    results.intake = await measureIntake(bench);
  }
  if (wants('notify')) {
    say('The change feed and NOTIFY_CHANGES …');
    results.notify = await measureNotify(bench);
  }
  if (wants('console')) {
    say('The console …');
    results.console = await measureConsole(bench);
  }
  if (wants('growth')) {
    say('Growth …');
    results.growth = await measureGrowth(bench);
  }
  if (wants('memory')) {
    say('Memory …');
    results.memory = await measureMemory(bench);
  }
  if (wants('sizes')) {
    say('Sizes …');
    results.sizes = await measureSizes(bench);
  }
  if (wants('profile')) {
    const profiled = named.length > 0 ? named : WORKLOAD_NAMES;
    results.profile = await profileAll(bench, profiled, RESULTS, (it) => say(`\n${profileText(it)}`));
  }
  return results;
}

async function write(results: Results, { keep }: Options): Promise<void> {
  const name = results.configuration.date?.replace(/[:.]/g, '-');
  for (const place of [join(RESULTS, `${name}`), ...(keep ? [join(CHECKOUT, 'docs/performance')] : [])]) {
    await mkdir(dirname(place), { recursive: true });
    await writeFile(`${place}.json`, `${JSON.stringify(results, null, 2)}\n`);
    if (results.throughput) await writeFile(`${place}.svg`, plot(results));
    say(`Written: ${place}.json`);
  }
}

run(optionsOrExit(HELP, readOptions)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    say(error.stack ?? error.message);
    process.exitCode = 1;
  },
);
