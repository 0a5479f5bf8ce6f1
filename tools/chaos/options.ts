import { parseArgs } from 'node:util';
import { wholeNumber } from '../options';

export interface Options {
  seconds: number;
  seed: number;
  workers: number;
  producers: number;
  /** Messages a second, on average, of all producers together. */
  rate: number;
  cluster: boolean;
  /** Whether faults must be seen and repaired in time: on a busy machine, times say nothing. */
  judgesTimes: boolean;
  /** Parts of the names of faults: only these come. All, if it is empty. */
  faults: string[];
  json: boolean;
  /** Keep the evidence of a successful run. */
  keep: boolean;
}

export const HELP = `Usage: npm run chaos -- [options]

A load of events from several producers against several worker processes, while workers are killed, the broker, the
database and a pooler restarted, connections cut, the network paused, the mailer's queue filled, parts of the topology
deleted, a standby promoted and a memory alarm raised. Each fault must be seen by the heartbeats, repaired and made up for
in time. Afterwards everything is compared with what the pure domain makes of the same events.

  --seconds N     how long load and faults last; the end takes some seconds more (60)
  --seed N        what is sent, and which faults come (a new one each time; it is printed)
  --workers N     worker processes (3)
  --producers N   producer processes (2)
  --rate N        messages a second, on average (100)
  --faults LIST   only the faults whose names contain one of these, such as topology,standby
  --cluster       a broker of three nodes, of which one after the other is killed
  --untimed       on a busy or slow machine: how soon faults are seen and repaired is not judged
  --keep          keep the logs and exports also when all is well
  --json          the report as one JSON object on stdout; progress goes to stderr

The load and the plan of the faults follow from the seed. When exactly a fault hits does not: that is up to the machine.
It brings its own RabbitMQ and PostgreSQL (installed here, or fetched); no other server is touched.
Exit codes: 0 all checks hold, 1 some do not (or it could not run), 2 bad usage, 130 interrupted.`;

/** @throws TypeError with a message for the user */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 999_999)) },
      workers: { type: 'string', default: '3' },
      producers: { type: 'string', default: '2' },
      rate: { type: 'string', default: '100' },
      faults: { type: 'string', default: '' },
      cluster: { type: 'boolean', default: false },
      untimed: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const { cluster, json, keep, untimed } = values;
  return {
    seconds: wholeNumber('seconds', values.seconds, 10, 1_000_000),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32),
    workers: wholeNumber('workers', values.workers, 1, 20),
    producers: wholeNumber('producers', values.producers, 1, 20),
    rate: wholeNumber('rate', values.rate, 1, 10_000),
    cluster,
    judgesTimes: !untimed,
    faults: values.faults.split(',').filter((name) => name !== ''),
    json,
    keep,
  };
}
