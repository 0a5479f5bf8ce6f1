import { Random } from '../../random';
import { type Act, type ActKind, makeAct } from './acts';
import { Population } from './population';

const ACCOUNT_EVENTS = [
  ['verified', 40],
  ['login', 40],
  ['changed', 20],
] as const satisfies [ActKind, number][];

/** What comes in on an ordinary day, in percent, with so many collisions among it. */
const mixWith = (collisions: number): [ActKind, number][] => {
  const rest: [ActKind, number][] = [
    ['new', 40],
    ['known', 30],
    ['verified', 12],
    ['login', 12],
    ['changed', 6],
  ];
  return [
    ['collision', collisions],
    ...rest.map(([kind, n]): [ActKind, number] => [kind, (n * (100 - collisions)) / 100]),
  ];
};

/** The workloads, each with the share of every kind of act. */
export const WORKLOADS = {
  new: { title: 'Sign-ups of new readers', shares: [['new', 100]] },
  known: { title: 'Sign-ups of known readers', shares: [['known', 100]] },
  accounts: { title: 'Account events', shares: ACCOUNT_EVENTS },
  'mix-1': { title: 'Mix with 1 % collisions', shares: mixWith(1) },
  'mix-10': { title: 'Mix with 10 % collisions', shares: mixWith(10) },
} as const satisfies Record<string, { title: string; shares: readonly (readonly [ActKind, number])[] }>;

export type WorkloadName = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

/** An endless supply of acts, the same for the same seed. */
export function supplyOf(workload: WorkloadName, filled: number, seed: number): (count: number) => Act[] {
  const random = new Random(seed);
  const people = new Population(filled, () => random.next());
  const { shares } = WORKLOADS[workload];
  return (count) => Array.from({ length: count }, () => makeAct(people.pick<ActKind>(shares), people));
}

/** How many contacts must be there, at least, for so many events: each collision needs a lone reader of its own. */
export const contactsNeeded = (events: number): number => Math.ceil((4.4 * 0.1 * events) / 8 + 100) * 8;
