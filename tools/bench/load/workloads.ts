import { Random } from '../../random';
import { type Act, type ActKind, makeAct } from './acts';
import { Population } from './people';

type Shares = Partial<Record<ActKind, number>>;

/** An ordinary day's shares, with this percentage of collisions. */
const mixWith = (collisions: number): Shares => {
  const others = (100 - collisions) / 100;
  return {
    collision: collisions,
    new: 40 * others,
    known: 30 * others,
    verified: 12 * others,
    login: 12 * others,
    changed: 6 * others,
  };
};

/** The workloads, each with the share of every kind of act in percent. */
export const WORKLOADS = {
  new: { title: 'Sign-ups of new readers', shares: { new: 100 } },
  known: { title: 'Sign-ups of known readers', shares: { known: 100 } },
  accounts: { title: 'Account events', shares: { verified: 40, login: 40, changed: 20 } },
  'mix-1': { title: 'Mix with 1 % collisions', shares: mixWith(1) },
  'mix-10': { title: 'Mix with 10 % collisions', shares: mixWith(10) },
} as const satisfies Record<string, { title: string; shares: Shares }>;

export type WorkloadName = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

/** An endless supply of acts, the same for the same seed. */
export function supplyOf(workload: WorkloadName, filled: number, seed: number): (count: number) => Act[] {
  const random = new Random(seed, 'bench');
  const people = new Population(filled, random);
  const shares = Object.entries(WORKLOADS[workload].shares).map(([kind, n]) => [n, kind as ActKind] as const);
  return (count) => Array.from({ length: count }, () => makeAct(random.weighted(shares), people));
}

/** The least number of contacts for this many events: each collision takes the address of another lone reader. */
export const contactsNeeded = (events: number): number => Math.ceil((4.4 * 0.1 * events) / 8 + 100) * 8;
