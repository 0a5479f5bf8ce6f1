/** `npm run chaos`: see HELP in options.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as checks from './checks/checks';
import { takeDeadLetters } from './checks/dead-letters';
import { Expected } from './checks/expected';
import { runCommand } from './command';
import { FaultInjector } from './faults/injector';
import { schedule } from './faults/schedule';
import { HELP, type Options, readOptions } from './options';
import { Participants } from './participants';
import { untilDrained } from './report/drained';
import { Limits } from './report/limits';
import { Monitor } from './report/monitor';
import { progressLine, type Result, type Run, summary, table } from './report/report';

/** Long runs report less often. */
const progressMs = (seconds: number): number => Math.min(15_000, Math.max(3_000, seconds * 10));
/** Workers come up within this time. */
const UP_MS = 60_000;

async function perform(
  participants: Participants,
  options: Options,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Result> {
  const { seconds, seed, producers, rate, cluster, workers, faults: wanted } = options;
  say(`Chaos: seed ${seed}, ${seconds} s, ${workers} workers, ${producers} producers${cluster ? ', a cluster' : ''}`);
  await participants.start(say);
  await allUp(participants, signal);
  const monitor = new Monitor(participants);
  const limits = new Limits(monitor, participants.workers);
  const faults = new FaultInjector(participants, limits);
  await participants.startProducers({ seed, seconds, producers, rate });
  const begin = performance.now();
  const progress = setInterval(() => {
    say(progressLine(performance.now() - begin, participants.producers.progress, monitor, faults));
  }, progressMs(seconds));
  try {
    await Promise.all([
      faults.run(schedule({ seed, seconds, cluster, faults: wanted }), seconds, signal),
      participants.producers.finished(),
    ]);
    const loadSeconds = (performance.now() - begin) / 1000;
    say('No more load, no more faults: waiting until everything is handled');
    const drained = await untilDrained(participants, monitor, signal);
    await Promise.all(participants.workers.map((worker) => worker.measure()));
    await Promise.all(participants.workers.map((worker) => worker.stop()));
    await monitor.end();
    clearInterval(progress);
    say('Workers are stopped: comparing');
    return await compare(participants, { options, faults, limits, monitor, drained, loadSeconds });
  } finally {
    clearInterval(progress);
  }
}

async function compare(participants: Participants, run: Run): Promise<Result> {
  const { options, faults, limits, drained } = run;
  const { broker, database, direct, folder, mailer, producers } = participants;
  const expected = new Expected();
  const invalid = new Map<string, string>();
  const messages = new Map<string, number>();
  for await (const message of producers.sent()) {
    const kind = message.is === 'event' ? message.kind : message.is;
    messages.set(kind, (messages.get(kind) ?? 0) + 1);
    if (message.is === 'event') expected.add(message);
    else if (message.is === 'invalid') invalid.set(message.id, message.reason ?? '');
  }
  const letters = await takeDeadLetters(await direct.broker.createChannel());
  const { lines, primaries } = await checks.readContacts(direct.database);
  const endings = participants.workers.flatMap(({ number: worker, endings }) =>
    endings.map((ending) => ({ worker, ...ending })),
  );
  const save = (name: string, texts: readonly string[]): void =>
    writeFileSync(join(folder, name), texts.map((text) => `${text}\n`).join(''));
  const json = (items: Iterable<unknown>): string[] => [...items].map((item) => JSON.stringify(item));
  save('expected.ndjson', expected.lines());
  save('actual.ndjson', lines);
  save('dead-letters.ndjson', json(letters));
  save('notifications.ndjson', json(mailer.received.values()));
  save('faults.ndjson', json(faults.past));
  save('endings.ndjson', json(endings));

  const leftOut = faults.leftOut > 0 ? `, ${faults.leftOut} planned ones were left out: the machine is slow` : '';
  const results = [
    checks.check(
      'everything was handled, and every notification published',
      drained.left,
      'no queue, no outbox has anything',
    ),
    checks.checkExport(expected.lines(), lines),
    checks.checkDeadLetters(invalid, letters),
    await checks.checkMerges(direct.database, mailer),
    checks.checkBodies(mailer),
    checks.checkOrder(mailer),
    checks.checkLatestAddress(mailer, primaries),
    await checks.checkPromises(direct.database),
    checks.checkEndings(endings, faults.past),
    ...(options.judgesTimes
      ? [checks.check('each fault was seen, repaired and made up for in time', limits.problems, limits.summary)]
      : []),
    checks.check('every fault came about', faults.problems, `${faults.past.length} faults${leftOut}`),
  ];
  if (options.cluster) {
    const wrong = [...drained.members].flatMap(([name, nodes]) =>
      nodes === broker.size ? [] : `${name} is on ${nodes}`,
    );
    results.push(checks.check('every queue is on every node', wrong, `${drained.members.size} queues`));
  }
  const nodes = options.cluster ? `, ${broker.size} nodes` : '';
  const servers = `RabbitMQ ${broker.version}${nodes}; PostgreSQL ${database.version}, durable`;
  const { received } = mailer;
  return { ...run, servers, sent: producers.progress, messages, endings, received, letters, checks: results };
}

async function allUp({ workers, folder }: Participants, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + UP_MS;
  while (!workers.every((worker) => worker.isUp)) {
    if (performance.now() > deadline) throw new Error(`the workers did not come up; their logs are in ${folder}`);
    await delay(50, undefined, { signal });
  }
}

void runCommand<Options, Participants>({
  help: HELP,
  readOptions,
  progressTo: ({ json }) => (json ? process.stderr : process.stdout),
  evidence: 'Logs, events and exports',
  environment: (options) => new Participants(options),
  async perform(participants, options, say, signal) {
    const result = await perform(participants, options, say, signal);
    const report = summary(result);
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : table(result));
    return report.ok;
  },
});
