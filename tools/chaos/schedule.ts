/** Which faults come, when, and for how long. All of it follows from the seed. */
import { Random } from '../random';

export type FaultKind =
  | 'worker killed'
  | 'worker stopped'
  | 'worker frozen'
  | 'broker killed'
  | 'broker stopped'
  | 'database killed'
  | 'database stopped'
  | 'connections cut'
  | 'network paused'
  | 'network down'
  | "mailer's queue full"
  | "mailer's queue unbound";

export interface Fault {
  kind: FaultKind;
  /** Milliseconds after the beginning; later when the fault before it takes longer than planned. */
  at: number;
  /** How long it lasts. */
  forMs: number;
  /** Whom it hits, where there is a choice: to be taken modulo their number. */
  target: number;
  /** What of the network: connections to the broker, to the database, or both; of one process or of all. */
  side: 'broker' | 'database' | 'both';
  all: boolean;
}

/** Faults of workers come beside those of everything else, so that they overlap; each of the two does one at a time. */
export type Lane = 'workers' | 'servers';

export interface ScheduleOptions {
  seed: number;
  seconds: number;
  cluster: boolean;
}

interface Drawn {
  weight: number;
  /** Seconds, in a short run and in a long one. */
  lasts: [number, number];
  lastsLong?: [number, number];
}

const WORKERS: Partial<Record<FaultKind, Drawn>> = {
  'worker killed': { weight: 4, lasts: [0.2, 2] },
  'worker stopped': { weight: 3, lasts: [0.1, 1] },
  'worker frozen': { weight: 1, lasts: [1, 4], lastsLong: [1, 45] },
};

const SERVERS: Partial<Record<FaultKind, Drawn>> = {
  'broker killed': { weight: 2, lasts: [0.1, 2], lastsLong: [0.1, 20] },
  'broker stopped': { weight: 1, lasts: [0.1, 2], lastsLong: [0.1, 20] },
  'database killed': { weight: 2, lasts: [0.1, 3], lastsLong: [0.1, 20] },
  'database stopped': { weight: 1, lasts: [0.1, 3], lastsLong: [0.1, 20] },
  'connections cut': { weight: 4, lasts: [0, 0] },
  'network paused': { weight: 3, lasts: [0.5, 4], lastsLong: [0.5, 60] },
  'network down': { weight: 2, lasts: [0.5, 3], lastsLong: [0.5, 30] },
  "mailer's queue full": { weight: 2, lasts: [2, 4], lastsLong: [2, 20] },
  "mailer's queue unbound": { weight: 1, lasts: [1, 3], lastsLong: [1, 20] },
};

/** The first run of the topology settles before anything is killed: RabbitMQ may lose a queue that is a second old. */
const FIRST_AT = 3_000;
const LONG_SECONDS = 120;
/** Of a cluster one node is always down or back for some time, so nothing else is done to the broker. */
const NOT_IN_CLUSTER: readonly FaultKind[] = ['broker stopped'];

export function schedule(options: ScheduleOptions): Record<Lane, Fault[]> {
  const servers = options.cluster
    ? Object.fromEntries(Object.entries(SERVERS).filter(([kind]) => !NOT_IN_CLUSTER.includes(kind as FaultKind)))
    : SERVERS;
  return {
    workers: slot(options, 'workers', WORKERS),
    servers: slot(options, 'servers', servers),
  };
}

/** Each kind once, in some order, then whatever comes. */
function slot(
  { seed, seconds, cluster }: ScheduleOptions,
  name: Lane,
  kinds: Partial<Record<FaultKind, Drawn>>,
): Fault[] {
  const random = new Random(seed, 'faults', name);
  const all = Object.entries(kinds) as [FaultKind, Drawn][];
  const first = random.shuffled(all.map(([kind]) => kind));
  // Nodes of a cluster are what that run is about.
  if (cluster && name === 'servers') first.unshift('broker killed', 'connections cut', 'broker killed');
  const weights = all.map(([kind, { weight }]) => [weight, kind] as const);
  const long = seconds >= LONG_SECONDS;
  const faults: Fault[] = [];
  let node = random.below(3); // of a cluster: one after the other
  for (let at = FIRST_AT; ; ) {
    const kind = first.shift() ?? random.weighted(weights);
    const { lasts, lastsLong } = kinds[kind] as Drawn;
    // Mostly short: long ones are for the time limits.
    const [low, high] = long && lastsLong && random.chance(0.25) ? lastsLong : lasts;
    const forMs = random.between(low, high) * 1000;
    if (at + forMs > seconds * 1000) return faults;
    faults.push({
      kind,
      at,
      forMs,
      target: kind === 'broker killed' && cluster ? node++ : random.below(1000),
      side: random.pick(['broker', 'database', 'both']),
      all: random.chance(0.5),
    });
    at += forMs + (long ? random.between(2_000, 9_000) : random.between(600, 1_600));
  }
}
