/** The chaos run: `npm run chaos`. See options.ts for what it does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Check,
  check,
  checkBodies,
  checkDeadLetters,
  checkEndings,
  checkExport,
  checkLastTold,
  checkMerges,
  checkOrder,
  checkPromises,
  readContacts,
} from './checks';
import { runCommand } from './command';
import { takeDeadLetters } from './dead-letters';
import { Expected } from './expected';
import { Faults } from './faults';
import { HELP, type Options, readOptions } from './options';
import { progressLine, type Result, summary, table } from './report';
import { schedule } from './schedule';
import { settle } from './settle';
import { Stage } from './stage';
import { Watch } from './watch';

/** A line every few seconds; of a long run, not thousands. */
const progressMs = (seconds: number): number => Math.min(15_000, Math.max(3_000, seconds * 10));
/** A worker that is started takes its time. */
const UP_MS = 60_000;

async function perform(
  stage: Stage,
  options: Options,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Result> {
  const { seconds, seed, producers, rate, cluster, workers } = options;
  say(`Chaos: seed ${seed}, ${seconds} s, ${workers} workers, ${producers} producers${cluster ? ', a cluster' : ''}`);
  await stage.set(say);
  await allUp(stage, signal);
  const watch = new Watch(stage);
  const faults = new Faults(stage);
  await stage.startProducers({ seed, seconds, producers, rate });
  const begin = performance.now();
  const progress = setInterval(() => {
    const line = progressLine(
      performance.now() - begin,
      stage.producers.told,
      watch,
      faults.happened.length,
      faults.current,
    );
    say(line);
  }, progressMs(seconds));
  try {
    await Promise.all([
      faults.carryOut(schedule({ seed, seconds, cluster }), seconds, signal),
      stage.producers.finished(),
    ]);
    const loadSeconds = (performance.now() - begin) / 1000;
    say('No more load, no more faults: waiting until everything is handled');
    const settled = await settle(stage, watch, signal);
    await Promise.all(stage.workers.map((worker) => worker.look()));
    for (const worker of stage.workers) worker.quit();
    await Promise.all(stage.workers.map((worker) => worker.stop()));
    clearInterval(progress);
    await watch.end();
    say('Workers are stopped: comparing');
    return await compare(stage, { options, faults, watch, settled, loadSeconds });
  } finally {
    clearInterval(progress);
  }
}

interface Run extends Pick<Result, 'options' | 'watch' | 'settled' | 'loadSeconds'> {
  faults: Faults;
}

async function compare(stage: Stage, { options, faults, watch, settled, loadSeconds }: Run): Promise<Result> {
  const { folder, producers, mailer, direct } = stage;
  const expected = new Expected();
  const rubbish = new Map<string, string>();
  const messages = new Map<string, number>();
  for await (const message of producers.sent()) {
    const kind = message.is === 'event' ? message.kind : message.is;
    messages.set(kind, (messages.get(kind) ?? 0) + 1);
    if (message.is === 'event') expected.learn(message);
    else if (message.is === 'rubbish') rubbish.set(message.id, message.reason ?? '');
  }
  const channel = await direct.broker.createChannel();
  const letters = await takeDeadLetters(channel);
  const { lines, primaries } = await readContacts(direct.database);
  const endings = stage.workers.flatMap((worker) => worker.endings);
  const { received } = mailer;
  const save = (name: string, items: Iterable<unknown>): void =>
    writeFileSync(join(folder, name), [...items].map((item) => `${JSON.stringify(item)}\n`).join(''));
  save('dead-letters.ndjson', letters);
  save('notifications.ndjson', received.values());
  save('faults.ndjson', faults.happened);
  save('endings.ndjson', endings);

  const queues = [...settled.members].filter(([, nodes]) => nodes !== stage.broker.size);
  const checks: Check[] = [
    check('everything was handled, and every notification published', settled.left, 'no queue, no outbox has anything'),
    checkExport(expected.lines(), lines, folder),
    checkDeadLetters(rubbish, letters),
    await checkMerges(direct.database, received),
    checkBodies(received, mailer.unreadable),
    checkOrder(received),
    checkLastTold(received, primaries),
    await checkPromises(direct.database),
    checkEndings(endings, faults.happened),
    check(
      'every fault came about',
      faults.problems,
      `${faults.happened.length} faults${faults.leftOut > 0 ? `, ${faults.leftOut} planned ones were left out: the machine is slow` : ''}`,
    ),
  ];
  if (options.cluster) {
    const wrong = queues.map(([name, nodes]) => `${name} is on ${nodes}`);
    checks.push(check('every queue is on every node', wrong, `${settled.members.size} queues`));
  }
  const servers = `RabbitMQ ${stage.broker.version}${options.cluster ? ', 3 nodes' : ''}; PostgreSQL ${stage.database.version}, durable`;
  const sent = producers.told;
  return {
    options,
    servers,
    loadSeconds,
    sent,
    messages,
    faults: faults.happened,
    endings,
    watch,
    settled,
    received,
    letters,
    checks,
  };
}

async function allUp(stage: Stage, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + UP_MS;
  while (!stage.workers.every((worker) => worker.isUp)) {
    if (performance.now() > deadline) throw new Error(`the workers did not come up; their logs are in ${stage.folder}`);
    await delay(50, undefined, { signal });
  }
}

runCommand<Options, Stage>({
  help: HELP,
  readOptions,
  progressTo: ({ json }) => (json ? process.stderr : process.stdout),
  evidence: 'Logs, events and exports',
  premises: (options) => new Stage(options),
  async perform(stage, options, say, signal) {
    const result = await perform(stage, options, say, signal);
    const report = summary(result);
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : table(result));
    return report.ok;
  },
});
