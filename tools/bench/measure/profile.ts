import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench';
import { onecontact } from '../contenders/contender';
import type { WorkloadName } from '../load/workloads';
import { bytesByPlace, timeByPlace } from './cpu-profile';
import { loadOf, measureRun } from './run';
import { countStatements, type ServerTime, type StatementCost, statementCosts } from './server-costs';

/** Where the time goes in one workload. Profiling slows the run down: proportions count, throughput does not. */
export interface Profile {
  workload: WorkloadName;
  events: number;
  elapsed: number;
  /** Seconds of processor time. */
  cpu: { worker: number } & ServerTime;
  /** Milliseconds of the worker by place. */
  worker: [string, number][];
  /** Bytes that the worker allocates by place. */
  allocated: [string, number][];
  /** Empty where the server does not count its statements. */
  statements: StatementCost[];
}

/** Profiles each workload once. @param folder gets two files each, for Chrome's developer tools */
export async function profileAll(
  bench: Bench,
  workloads: readonly WorkloadName[],
  folder: string,
  onProfile: (profile: Profile) => void,
): Promise<Profile[]> {
  await mkdir(folder, { recursive: true });
  const profiles: Profile[] = [];
  for (const workload of workloads) {
    const profile = await profileOne(bench, workload, join(folder, workload));
    profiles.push(profile);
    onProfile(profile);
  }
  return profiles;
}

async function profileOne(bench: Bench, workload: WorkloadName, file: string): Promise<Profile> {
  let statements: StatementCost[] = [];
  let worker: Profile['worker'] = [];
  let allocated: Profile['allocated'] = [];
  let counts = false;
  const run = await measureRun(bench, onecontact(bench.options.set), loadOf(bench, workload), {
    hooks: {
      prepare: (_, contender) => contender.startProfile(),
      begin: async ({ client }) => {
        counts = await countStatements(client);
      },
      end: async ({ client }, contender) => {
        if (counts) statements = await statementCosts(client);
        const profile = await contender.stopProfile();
        await writeFile(`${file}.cpuprofile`, JSON.stringify(profile.time));
        await writeFile(`${file}.heapprofile`, JSON.stringify(profile.allocated));
        worker = timeByPlace(profile.time);
        allocated = bytesByPlace(profile.allocated);
      },
    },
  });
  const cpu = { worker: run.cpu, ...run.servers };
  return { workload, events: run.events, elapsed: run.elapsed, cpu, worker, allocated, statements };
}
