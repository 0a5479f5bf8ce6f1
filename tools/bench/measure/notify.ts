import type { Bench } from '../bench';
import { onecontact } from '../contenders/contender';
import type { WorkloadName } from '../load/workloads';
import { loadOf, measureRun, type Run } from './run';
import { inRounds } from './throughput';

/** What readers of changes cost sign-ups: the schema and the settings of each variant. */
const VARIANTS = {
  'neither feed nor NOTIFY_CHANGES': {
    alter: [
      'DROP TRIGGER contact_changed ON contact',
      'DROP INDEX contact_changed_in_id_idx',
      "ALTER TABLE contact ALTER COLUMN changed_in SET DEFAULT '0'",
    ],
    set: {},
  },
  feed: { alter: [], set: {} },
  'feed and NOTIFY_CHANGES': { alter: [], set: { NOTIFY_CHANGES: 'true' } },
} satisfies Record<string, { alter: readonly string[]; set: Record<string, string> }>;

export type NotifyVariant = keyof typeof VARIANTS;
export const NOTIFY_VARIANTS = Object.keys(VARIANTS) as NotifyVariant[];

export interface NotifyCost {
  workload: WorkloadName;
  /** A run of each round. */
  runs: Record<NotifyVariant, Run[]>;
}

/** The same messages without the change feed, with it, and with `contact.changed` as well, one after the other. */
export async function measureNotify(bench: Bench): Promise<NotifyCost[]> {
  const results = (['new', 'known', 'real-life'] as const).map(
    (workload): NotifyCost => ({
      workload,
      runs: { 'neither feed nor NOTIFY_CHANGES': [], feed: [], 'feed and NOTIFY_CHANGES': [] },
    }),
  );
  await inRounds(bench, results, async ({ workload, runs }) => {
    const load = loadOf(bench, workload);
    const shown: string[] = [];
    for (const name of NOTIFY_VARIANTS) {
      const { alter, set } = VARIANTS[name];
      const run = await measureRun(bench, onecontact({ ...bench.options.set, ...set }), load, { alter });
      runs[name].push(run);
      shown.push(`${name} ${Math.round(run.throughput)}`);
    }
    return `${workload}: ${shown.join(', ')} events/s`;
  });
  return results;
}
