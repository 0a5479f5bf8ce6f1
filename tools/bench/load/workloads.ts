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

/** The shares of a live system: mostly logins, and events that are not handled. */
const REAL_LIFE: Shares = { login: 53, new: 25, known: 10, changed: 4, verified: 3, ignored: 3, unsubscribe: 2 };

interface Workload {
  title: string;
  /** In percent. */
  shares: Shares;
  /** Days on which each account logged in beforehand. */
  earlierDays?: number;
}

export const WORKLOADS = {
  new: { title: 'Sign-ups of new readers', shares: { new: 100 } },
  known: { title: 'Sign-ups of known readers', shares: { known: 100 } },
  logins: { title: 'Logins of known accounts', shares: { login: 100 } },
  'logins-300': { title: 'The same, 300 earlier days', shares: { login: 100 }, earlierDays: 300 },
  accounts: { title: 'Account events', shares: { verified: 40, login: 40, changed: 20 } },
  'real-life': { title: 'Real-life mix', shares: REAL_LIFE },
  'mix-1': { title: 'Mix with 1 % collisions', shares: mixWith(1) },
  'mix-10': { title: 'Mix with 10 % collisions', shares: mixWith(10) },
  dense: { title: 'Few accounts, all connected', shares: { 'circle-login': 93, 'circle-taken': 4, 'circle-new': 3 } },
} satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof WORKLOADS;
/** The workloads that all contenders handle. Only slots of OneContact are compared with `dense`. */
export const WORKLOAD_NAMES = (Object.keys(WORKLOADS) as WorkloadName[]).filter((name) => name !== 'dense');

export const earlierDaysOf = (workload: WorkloadName): number => (WORKLOADS[workload] as Workload).earlierDays ?? 1;

/** An endless supply of acts, the same for the same seed. */
export function supplyOf(workload: WorkloadName, filled: number, seed: number): (count: number) => Act[] {
  const random = new Random(seed, 'bench');
  const people = new Population(filled, random);
  const shares = Object.entries(WORKLOADS[workload].shares).map(([kind, n]) => [n, kind as ActKind] as const);
  return (count) => Array.from({ length: count }, () => makeAct(random.weighted(shares), people));
}

/** The least number of contacts for this many events: each collision takes the address of another lone reader. */
export const contactsNeeded = (events: number): number => Math.ceil((4.4 * 0.1 * events) / 8 + 100) * 8;
