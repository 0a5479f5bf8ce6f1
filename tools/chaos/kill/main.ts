/** `npm run chaos:kill`: see {@link HELP}. */
import { runCommand } from '../command';
import { Expected } from '../expected';
import type { Message } from '../message';
import { HELP, type Options, readOptions } from './options';
import { type Numbered, type Played, progressLine, summary } from './report';
import { Scenario, type Scene } from './scenario';
import { ACCOUNTS, EARLIER, SIGN_UPS } from './scenes';
import { Stage, until } from './stage';

const SCENES: Record<'signUps' | 'accounts' | 'relay', Scene> = {
  signUps: { name: 'sign-ups', group: 'batch', parts: 'newsletter', messages: SIGN_UPS },
  accounts: { name: 'accounts', group: 'batch', parts: 'fxa', messages: ACCOUNTS },
  relay: { name: 'relay', group: 'relay', parts: 'relay', messages: [] },
};

async function perform(
  stage: Stage,
  { only, from, to }: Options,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const begin = performance.now();
  await stage.set(say);
  const servers = `RabbitMQ ${stage.broker.version}; PostgreSQL ${stage.database.version}, durable`;
  say(`${servers}: playing it undisturbed`);
  const { scenarios, problems } = await rehearse(stage, only);
  const all = scenarios
    .flatMap((scenario) => scenario.points.map((point) => ({ scenario, point })))
    .map((one, index): Numbered => ({ ...one, nr: index + 1 }));
  const played: Played[] = [];
  for (const one of all.filter(({ nr }) => nr >= from && nr <= to)) {
    signal.throwIfAborted();
    const outcome = await one.scenario.play(one.point);
    played.push({ ...one, outcome });
    say(progressLine({ ...one, outcome }, all.length));
  }
  say(summary({ servers, scenarios, played, problems, ms: performance.now() - begin }));
  return problems.length === 0 && played.every(({ outcome }) => outcome.problems.length === 0);
}

/** Brings the database to where each scene begins, and plays each once undisturbed. */
async function rehearse(stage: Stage, only: Options['only']): Promise<{ scenarios: Scenario[]; problems: string[] }> {
  for (const messages of EARLIER) await handle(stage, 'fxa,newsletter,relay', messages);
  await stage.emptyQueues(); // what the mailer was told before
  const scenarios: Scenario[] = [];
  const problems: string[] = [];
  if (only !== 'relay') {
    for (const scene of [SCENES.signUps, SCENES.accounts]) {
      const scenario = await Scenario.from(scene, stage);
      problems.push(...expectDomain(scenario));
      scenarios.push(scenario);
      await scenario.putBack();
    }
  }
  if (only !== 'batch') {
    await handle(stage, 'fxa', ACCOUNTS); // nobody publishes what it has to say
    scenarios.push(await Scenario.from(SCENES.relay, stage));
  }
  return { scenarios, problems };
}

async function handle(stage: Stage, parts: string, messages: readonly Message[]): Promise<void> {
  await stage.publish(messages);
  const life = await stage.worker(parts);
  life.release(null, 0);
  await until('the beginning is made', async () => {
    const isDone = life.gate.settled >= messages.length;
    return isDone && (!parts.includes('relay') || (await stage.outbox()) === 0);
  });
  await life.stop();
  await stage.givenBack();
  await life.end();
}

/** What the pure domain makes of the same events, against what the service made of them. */
function expectDomain({ scene, contacts }: Scenario): string[] {
  const expected = new Expected();
  for (const message of [...EARLIER.flat(), ...scene.messages]) if (message.is === 'event') expected.learn(message);
  const [wanted, found] = [new Set(expected.lines()), new Set(contacts)];
  return [
    ...[...wanted].filter((line) => !found.has(line)).map((line) => `missing: ${line}`),
    ...[...found].filter((line) => !wanted.has(line)).map((line) => `not expected: ${line}`),
  ];
}

runCommand<Options, Stage>({
  help: HELP,
  readOptions,
  progressTo: () => process.stdout,
  evidence: 'Logs',
  premises: () => new Stage(),
  perform,
});
