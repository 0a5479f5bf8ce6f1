/** Which faults occur, when, and for how long. The seed determines all of it. */
import { Random } from '../../random';

export interface Fault {
  kind: FaultKind;
  /** Milliseconds after the start; later if the previous fault takes longer than planned. */
  at: number;
  durationMs: number;
  /** The worker or node, modulo their number. */
  target: number;
  /** For network faults: which connections, and of one process or all. */
  connections: 'broker' | 'database' | 'both';
  all: boolean;
}

/** Faults of workers overlap with faults of servers; within each of the two, faults follow one another. */
export interface Schedule {
  workers: Fault[];
  servers: Fault[];
}

export interface ScheduleOptions {
  seed: number;
  seconds: number;
  cluster: boolean;
  /** Parts of the names of the wanted faults; empty: all. */
  faults: readonly string[];
}

interface Frequency {
  kind: string;
  weight: number;
  /** Shortest and longest duration in seconds. */
  lasts: readonly [number, number];
  /** For a quarter of the faults in a long run: outages that reach the time limits. */
  lastsLong?: readonly [number, number];
}

const WORKERS = [
  { kind: 'worker killed', weight: 4, lasts: [0.2, 2] },
  { kind: 'worker stopped', weight: 3, lasts: [0.1, 1] },
  { kind: 'worker frozen', weight: 1, lasts: [1, 4], lastsLong: [1, 45] },
] as const satisfies readonly Frequency[];

const SERVERS = [
  { kind: 'broker killed', weight: 2, lasts: [0.1, 2], lastsLong: [0.1, 20] },
  { kind: 'broker stopped', weight: 1, lasts: [0.1, 2], lastsLong: [0.1, 20] },
  { kind: 'database killed', weight: 2, lasts: [0.1, 3], lastsLong: [0.1, 20] },
  { kind: 'database stopped', weight: 1, lasts: [0.1, 3], lastsLong: [0.1, 20] },
  { kind: 'connections cut', weight: 4, lasts: [0, 0] },
  { kind: 'network paused', weight: 3, lasts: [0.5, 4], lastsLong: [0.5, 60] },
  { kind: 'network down', weight: 2, lasts: [0.5, 3], lastsLong: [0.5, 30] },
  { kind: "mailer's queue full", weight: 2, lasts: [2, 4], lastsLong: [2, 20] },
  { kind: "mailer's queue unbound", weight: 1, lasts: [1, 3], lastsLong: [1, 20] },
  { kind: 'topology deleted', weight: 3, lasts: [0, 0] },
  { kind: 'standby promoted', weight: 1, lasts: [1, 3], lastsLong: [10, 20] },
  { kind: 'pooler killed', weight: 1, lasts: [0.1, 3], lastsLong: [10, 20] },
  { kind: 'pooler stopped', weight: 1, lasts: [0.1, 3], lastsLong: [10, 20] },
  { kind: 'memory alarm', weight: 2, lasts: [1, 4], lastsLong: [10, 25] },
] as const satisfies readonly Frequency[];

export type FaultKind = (typeof WORKERS | typeof SERVERS)[number]['kind'];

/** RabbitMQ may lose a queue that is a second old, so nothing is killed right after the declaration. */
const FIRST_AT = 3_000;
const LONG_SECONDS = 120;

export function schedule(options: ScheduleOptions): Schedule {
  // In a cluster one node is always down or recovering, so the broker gets no other fault.
  const servers = options.cluster ? SERVERS.filter(({ kind }) => kind !== 'broker stopped') : SERVERS;
  return { workers: faultsOf(options, 'workers', WORKERS), servers: faultsOf(options, 'servers', servers) };
}

/** Each kind once, then random ones. */
function faultsOf(
  { seed, seconds, cluster, faults: wanted }: ScheduleOptions,
  name: keyof Schedule,
  all: readonly (Frequency & { kind: FaultKind })[],
): Fault[] {
  const isWanted = ({ kind }: Frequency): boolean => wanted.length === 0 || wanted.some((part) => kind.includes(part));
  const frequencies = all.filter(isWanted);
  if (frequencies.length === 0) return [];
  const random = new Random(seed, 'faults', name);
  const first = random.shuffled(frequencies);
  if (cluster && name === 'servers') {
    const nodes = ['broker killed', 'connections cut', 'broker killed'] as const;
    first.unshift(...nodes.flatMap((kind) => frequencies.filter((it) => it.kind === kind)));
  }
  const weighted = frequencies.map((frequency) => [frequency.weight, frequency] as const);
  const isLong = seconds >= LONG_SECONDS;
  const faults: Fault[] = [];
  let node = random.below(3); // the nodes of a cluster are killed in turn
  for (let at = FIRST_AT; ; ) {
    const { kind, lasts, lastsLong } = first.shift() ?? random.weighted(weighted);
    const [low, high] = isLong && lastsLong && random.chance(0.25) ? lastsLong : lasts;
    const durationMs = random.between(low, high) * 1000;
    if (at + durationMs > seconds * 1000) return faults;
    faults.push({
      kind,
      at,
      durationMs,
      target: kind === 'broker killed' && cluster ? node++ : random.below(1000),
      connections: random.pick(['broker', 'database', 'both']),
      all: random.chance(0.5),
    });
    at += durationMs + (isLong ? random.between(2_000, 9_000) : random.between(600, 1_600));
  }
}
