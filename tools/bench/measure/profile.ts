import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench';
import { onecontact } from '../contenders/contender';
import { WORKLOAD_NAMES, type WorkloadName } from '../load/workloads';
import { timeByPlace } from './cpu-profile';
import { loadOf, measureRun } from './run';
import { countStatements, type ServerTime, type StatementCost, serverTime, statementCosts } from './server-costs';

/** Where the time goes in one workload. Profiling slows the run down: proportions count, throughput does not. */
export interface Profile {
  workload: WorkloadName;
  events: number;
  elapsed: number;
  /** Seconds of processor time. */
  cpu: { worker: number } & ServerTime;
  /** Milliseconds of the worker by place. */
  worker: [string, number][];
  /** Empty where the server does not count its statements. */
  statements: StatementCost[];
}

/** Profiles each workload once. @param folder gets a *.cpuprofile each, for Chrome's developer tools */
export async function profileAll(
  bench: Bench,
  folder: string,
  onProfile: (profile: Profile) => void,
): Promise<Profile[]> {
  await mkdir(folder, { recursive: true });
  const profiles: Profile[] = [];
  for (const workload of WORKLOAD_NAMES) {
    const profile = await profileOne(bench, workload, join(folder, `${workload}.cpuprofile`));
    profiles.push(profile);
    onProfile(profile);
  }
  return profiles;
}

async function profileOne(bench: Bench, workload: WorkloadName, file: string): Promise<Profile> {
  let before: ServerTime = { postgresql: null, rabbitmq: null };
  let after = before;
  let statements: StatementCost[] = [];
  let worker: Profile['worker'] = [];
  let counts = false;
  const run = await measureRun(bench, onecontact(bench.options.set), loadOf(bench, workload), {
    hooks: {
      prepare: (_, contender) => contender.startProfile(),
      begin: async ({ client }) => {
        counts = await countStatements(client);
        before = await serverTime(client, bench.amqpUrl);
      },
      end: async ({ client }, contender) => {
        after = await serverTime(client, bench.amqpUrl);
        if (counts) statements = await statementCosts(client);
        const profile = await contender.stopProfile();
        await writeFile(file, JSON.stringify(profile));
        worker = timeByPlace(profile);
      },
    },
  });
  const spent = (name: keyof ServerTime): number | null =>
    after[name] === null || before[name] === null ? null : after[name] - before[name];
  const cpu = { worker: run.cpu, postgresql: spent('postgresql'), rabbitmq: spent('rabbitmq') };
  return { workload, events: run.events, elapsed: run.elapsed, cpu, worker, statements };
}
