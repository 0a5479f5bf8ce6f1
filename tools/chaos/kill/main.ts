/** `npm run chaos:kill`: see HELP in options.ts. */
import { differences, Expected } from '../checks/expected';
import { runCommand } from '../command';
import type { Message } from '../load/message';
import { KillEnvironment, until } from './environment';
import { ACCOUNTS, EARLIER, SIGN_UPS } from './messages';
import { HELP, type Options, readOptions } from './options';
import { type NumberedPoint, progressLine, type Result, summary } from './report';
import { Scenario, type Task } from './scenario';

const BATCHES: readonly Task[] = [
  { name: 'sign-ups', parts: 'newsletter', messages: SIGN_UPS },
  { name: 'accounts', parts: 'fxa', messages: ACCOUNTS },
];
const RELAY: Task = { name: 'relay', parts: 'relay', messages: [] };

async function perform(
  environment: KillEnvironment,
  { only, from, to }: Options,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const begin = performance.now();
  await environment.start(say);
  const servers = `RabbitMQ ${environment.broker.version}; PostgreSQL ${environment.database.version}, durable`;
  say(`${servers}: playing it undisturbed`);
  const { scenarios, problems } = await prepare(environment, only);
  const all = scenarios
    .flatMap((scenario) => scenario.points.map((point) => ({ scenario, point })))
    .map((one, index): NumberedPoint => ({ ...one, nr: index + 1 }));
  const results: Result[] = [];
  for (const one of all.filter(({ nr }) => nr >= from && nr <= to)) {
    signal.throwIfAborted();
    const result = { ...one, outcome: await one.scenario.run(one.point) };
    results.push(result);
    say(progressLine(result, all.length));
  }
  say(summary({ servers, scenarios, results, problems, ms: performance.now() - begin }));
  return problems.length === 0 && results.every(({ outcome }) => outcome.problems.length === 0);
}

/** Brings the database to the start of each task, and performs each once undisturbed. */
async function prepare(
  environment: KillEnvironment,
  only: Options['only'],
): Promise<{ scenarios: Scenario[]; problems: string[] }> {
  for (const messages of EARLIER) await handle(environment, 'fxa,newsletter,relay', messages);
  await environment.emptyQueues(); // earlier notifications
  const scenarios: Scenario[] = [];
  const problems: string[] = [];
  for (const task of only === 'relay' ? [] : BATCHES) {
    const scenario = await Scenario.from(task, environment);
    problems.push(...differencesFromDomain(scenario));
    scenarios.push(scenario);
    await scenario.restore();
  }
  if (only !== 'batch') {
    await handle(environment, 'fxa', ACCOUNTS); // without a relay, so that the outbox fills
    scenarios.push(await Scenario.from(RELAY, environment));
  }
  return { scenarios, problems };
}

async function handle(environment: KillEnvironment, parts: string, messages: readonly Message[]): Promise<void> {
  await environment.publish(messages);
  const worker = await environment.worker(parts);
  worker.release(null, 0);
  await until('the beginning is made', async () => {
    const isHandled = worker.broker.acknowledged >= messages.length;
    return isHandled && (!parts.includes('relay') || (await environment.outbox()) === 0);
  });
  await worker.stop();
  await environment.requeued();
  await worker.end();
}

/** Compares the undisturbed run with the pure domain. */
function differencesFromDomain({ task, contacts }: Scenario): string[] {
  const expected = new Expected();
  for (const message of [...EARLIER.flat(), ...task.messages]) if (message.is === 'event') expected.add(message);
  return differences(expected.lines(), contacts);
}

void runCommand<Options, KillEnvironment>({
  help: HELP,
  readOptions,
  progressTo: () => process.stdout,
  evidence: 'Logs',
  environment: () => new KillEnvironment(),
  perform,
});
