/** `npm run fuzz`: see {@link HELP}. */
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { migrate } from '../../src/postgres/migrations/migrate';
import { brokenPromises } from '../broken-promises';
import { optionsOrExit, wholeNumber } from '../options';
import { Random } from '../random';
import { startServices } from '../services';
import { fuzzDecoder } from './decoder';
import { fuzzIntake } from './intake';
import type { Memory } from './memory';
import { fuzzService } from './service';
import { total } from './tally';

const HELP = `Usage: npm run fuzz -- [--count N] [--seed N] [--decoder | --headers | --intake]

Mutated, hostile and random messages through the whole service, healthy ones between them, on a real broker and a real
database of its own.

  --count N   how many messages (1,000,000; with --decoder 5,000,000, with --headers 100,000), or requests (20,000)
  --seed N    the same seed makes the same messages (another one each time)
  --decoder   through the decoder alone: no broker, no database
  --intake    requests to both endpoints for events, with damaged bodies and forged tokens; no worker runs
  --headers   a tenth of the messages has header tables of up to 9,000 levels

Exit code 0 when nothing was found, 1 when something was, 2 for a wrong command line.`;

const { count, seed, decoder, headers, intake } = optionsOrExit(HELP, readOptions);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const begin = performance.now();

let shown = 0;
function progress(done: number, memory: Memory): void {
  if (done < count && done - shown < count / 20) return;
  shown = done;
  const { heapMb, rssMb } = memory.samples.at(-1) ?? { heapMb: 0, rssMb: 0 };
  const rate = Math.round(done / ((performance.now() - begin) / 1_000));
  say(`${done.toLocaleString('en').padStart(12)} messages  ${rate}/s  in use after GC ${heapMb} MB, RSS ${rssMb} MB`);
}

function table(title: string, counts: ReadonlyMap<string, number>): void {
  say(`${title} (${total(counts).toLocaleString('en')}):`);
  for (const [name, n] of [...counts].sort(([, a], [, b]) => b - a))
    say(`  ${n.toLocaleString('en').padStart(11)}  ${name}`);
}

function verdict(problems: readonly string[], memory: Memory): void {
  const all = memory.flat ? problems : [...problems, 'memory in use grew'];
  for (const problem of all.slice(0, 20)) say(`PROBLEM ${problem}`);
  const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
  say(
    all.length === 0
      ? `Nothing found in ${count.toLocaleString('en')} messages (seed ${seed}, ${seconds} s)`
      : `${all.length} problems (seed ${seed})`,
  );
  process.exitCode = all.length === 0 ? 0 : 1;
}

async function throughService(): Promise<void> {
  const services = await startServices({ log: say });
  try {
    await migrate(services.databaseUrl);
    const run = await fuzzService({
      ...services,
      random: new Random(seed),
      count,
      nesting: headers,
      onProgress: progress,
    });
    table('Published = counted by the service', run.counted);
    table('Dead letters read, by reason', run.deadLetters);
    if (run.logged.size > 0) table('Logged at warn or above', run.logged);
    run.problems.push(...(await inDatabase(services.databaseUrl, run.announced)));
    say(`${run.merges.toLocaleString('en')} merges, ${run.announced.toLocaleString('en')} announced`);
    verdict(run.problems, run.memory);
  } finally {
    await services.stop();
  }
}

async function throughIntake(): Promise<void> {
  const services = await startServices({ log: say });
  try {
    const run = await fuzzIntake({ ...services, random: new Random(seed), count, onProgress: progress });
    table('Answers', run.answers);
    table('Messages in the queues', run.received);
    verdict(run.problems, run.memory);
  } finally {
    await services.stop();
  }
}

/** Looks for problems in the database, such as a merge whose announcement did not reach the mailer. */
async function inDatabase(url: string, announced: number): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const sql = async <T extends object>(text: string): Promise<T[]> => (await client.query(text)).rows as T[];
    const broken = await brokenPromises({ sql }, 'published');
    const [{ n = 0 } = {}] = await sql<{ n: number }>('SELECT count(*)::int AS n FROM merge WHERE announced');
    if (n !== announced) broken.push(`${n} merges to announce, and ${announced} messages of the mailer`);
    return broken;
  } finally {
    await client.end();
  }
}

interface Options {
  count: number;
  seed: number;
  decoder: boolean;
  headers: boolean;
  intake: boolean;
}

function readOptions(args: string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: { count: text, seed: text, decoder: flag, headers: flag, intake: flag, help: flag },
  });
  if (values.help) return 'help';
  const { decoder, headers, intake } = values;
  if ([decoder, headers, intake].filter(Boolean).length > 1)
    throw new Error('--decoder, --headers and --intake are runs of their own');
  return {
    count: wholeNumber(
      'count',
      values.count ?? (decoder ? '5000000' : headers ? '100000' : intake ? '20000' : '1000000'),
      1,
    ),
    seed: wholeNumber('seed', values.seed ?? `${Date.now() % 2 ** 32}`, 0),
    decoder,
    headers,
    intake,
  };
}

say(`seed ${seed}`);
if (decoder) {
  const run = fuzzDecoder(new Random(seed), count, progress);
  table('Outcomes', run.outcomes);
  verdict(run.problems, run.memory);
} else {
  (intake ? throughIntake() : throughService()).catch((error: Error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
