import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench';
import { onecontact } from '../contenders/programs';
import { supplyOf, WORKLOAD_NAMES, WORKLOADS, type WorkloadName } from '../load/workloads';
import { measureRun } from '../measure/run';
import { contactsFor } from '../measure/throughput';
import { table } from '../report/table';
import { type ProcessorShares, sharesOf } from './processor-profile';
import { type ServerTime, serverTime } from './processor-time';
import { countStatements, type StatementCost, statementCosts } from './statements';

/** Where the time goes in one workload. The figures are of a run that is watched: ratios hold, throughput does not. */
export interface Profile {
  workload: WorkloadName;
  events: number;
  elapsed: number;
  /** Seconds of processor time: of the worker, and of the servers where they can be found. */
  cpu: { worker: number } & ServerTime;
  worker: ProcessorShares;
  /** Empty where the server does not count its statements. */
  statements: StatementCost[];
}

/** Each workload once, watched. The processor profiles are for Chrome's developer tools as well. */
export async function profileAll(bench: Bench, folder: string): Promise<Profile[]> {
  await mkdir(folder, { recursive: true });
  const profiles: Profile[] = [];
  for (const workload of WORKLOAD_NAMES) {
    const profile = await profileOne(bench, workload, join(folder, `${workload}.cpuprofile`));
    profiles.push(profile);
    bench.say(`\n${shown(profile)}`);
  }
  return profiles;
}

async function profileOne(bench: Bench, workload: WorkloadName, file: string): Promise<Profile> {
  const { events, seed } = bench.options;
  const contacts = contactsFor(events, bench.options);
  const supply = supplyOf(workload, contacts, seed);
  const found: Partial<Profile> = {};
  let servers: ServerTime;
  let counts = false;
  const run = await measureRun(bench, {
    ...{
      program: onecontact(bench.options.set),
      contacts,
      warmUp: supply(events),
      acts: supply(events),
      writes: 'all',
    },
    watch: {
      prepare: (_, contender) => contender.startProfile(),
      begin: async ({ client }) => {
        counts = await countStatements(client);
        servers = await serverTime(client, bench.amqpUrl);
      },
      end: async ({ client }, contender) => {
        const after = await serverTime(client, bench.amqpUrl);
        const spent = (name: keyof ServerTime): number | null =>
          after[name] === null || servers[name] === null ? null : after[name] - servers[name];
        found.cpu = { worker: 0, postgresql: spent('postgresql'), rabbitmq: spent('rabbitmq') };
        found.statements = counts ? await statementCosts(client) : [];
        const profile = await contender.stopProfile();
        await writeFile(file, JSON.stringify(profile));
        found.worker = sharesOf(profile);
      },
    },
  });
  const cpu = { ...(found.cpu as Profile['cpu']), worker: run.cpu };
  return { ...(found as Profile), workload, events, elapsed: run.elapsed, cpu };
}

const STATEMENTS = 14;
const FUNCTIONS = 12;

function shown({ workload, events, elapsed, cpu, worker, statements }: Profile): string {
  const us = (ms: number): string => ((1_000 * ms) / events).toFixed(1);
  const seconds = (value: number | null): string => (value === null ? '?' : us(1_000 * value));
  return [
    `${WORKLOADS[workload].title}: ${us(elapsed)} µs an event; processor: worker ${seconds(cpu.worker)}, PostgreSQL ${seconds(cpu.postgresql)}, RabbitMQ ${seconds(cpu.rabbitmq)}`,
    table(
      ['Worker, by place', 'µs/event'],
      worker.byPlace.map(([name, ms]) => [name, us(ms)]),
    ),
    table(
      ['Worker, by function', 'µs/event'],
      worker.byFunction.slice(0, FUNCTIONS).map(([name, ms]) => [name, us(ms)]),
    ),
    table(
      ['Statement', 'calls', 'planned', 'executed', 'µs/event', 'pages', 'WAL kB'],
      statements
        .slice(0, STATEMENTS)
        .map(({ query, calls, planned, executed, pages, walKb }) => [
          query.slice(0, 76),
          `${calls}`,
          `${(planned / calls).toFixed(2)} ms`,
          `${(executed / calls).toFixed(2)} ms`,
          us(planned + executed),
          `${pages}`,
          `${walKb}`,
        ]),
    ),
  ].join('\n\n');
}
