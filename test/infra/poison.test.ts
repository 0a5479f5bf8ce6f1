/** A message that kills its process, with real processes that are restarted again and again. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../src/rabbitmq/names';
import { DELIVERY_LIMIT } from '../../src/rabbitmq/topology/topology';
import { buildProgram, type Program, Supervised } from '../../tools/program/process';
import { until, withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup, unsub } from '../support/events';
import { factsOf } from '../support/memory-store';
import { messageOf, publish } from '../support/service';
import { canonicalExportOf } from '../support/stored';

const broker = withBroker();
const COUNT_FACTS = 'SELECT (SELECT count(*) FROM choice)::int + (SELECT count(*) FROM address_claim)::int AS n';
const factsIn = (event: ContactEvent): number => (event.kind === 'newsletter' ? event.newsletters.length : 1);

describe('a message that kills the process', () => {
  let program: Program;
  let database: TestDatabase;
  let workers: Supervised[];

  beforeAll(async () => {
    program = await buildProgram();
  }, 120_000);
  afterAll(() => program?.remove());
  beforeEach(async () => {
    workers = [];
    database = await freshDatabase();
    await broker().freshTopology();
  });
  afterEach(async () => {
    for (const worker of workers) await worker.kill();
    await database?.drop();
  });

  /** Readers over both queues: accounts, sign-ups, and merges of the two. */
  const healthy = (from: number, to: number): ContactEvent[] =>
    Array.from({ length: to - from }, (_, i) => from + i).flatMap((n) => [
      acct(`u${n}`, `account${n}`, 1),
      signup(`reader${n}`, ['x', 'y'], 2),
      unsub(`reader${n}`, ['y'], 3),
      acct(`u${n}`, `reader${n}`, 4),
    ]);

  /** Waits for as long as it takes, while processes die or facts are added: a loaded machine only makes them slower. */
  async function whileTheyGetOn(condition: () => Promise<boolean>): Promise<void> {
    const progress = async (): Promise<number> =>
      workers.reduce((sum, { endings }) => sum + endings.length, await facts());
    while (!(await condition())) {
      const before = await progress();
      await until(async () => (await condition()) || (await progress()) > before, 60_000);
    }
  }

  // A cheap check, because the processes need the CPU. The exact content is compared in the end.
  const facts = async (): Promise<number> => (await database.sql<{ n: number }>(COUNT_FACTS))[0]?.n ?? 0;
  const deadLetters = (...args: string[]) => onecontact(['dead-letters', ...args], { AMQP_URL: broker().url });

  it.each([
    { name: 'in the newsletter queue, with one worker', count: 1, poison: signup('poison', ['x'], 2) },
    // Takes longer: `POISON=all npm test -- test/infra/poison`.
    ...(process.env.POISON === 'all'
      ? [{ name: 'in the account queue, with two workers at once', count: 2, poison: acct('u0', 'poison', 5) }]
      : []),
  ])(
    '$name: it is dead-lettered, and every healthy message is handled exactly',
    async ({ count, poison }) => {
      const before = healthy(0, 40);
      const after = healthy(40, 80);
      await publish(broker(), ...before, poison, ...after);
      const env = { AMQP_URL: broker().url, DATABASE_URL: database.url };
      const preload = join(__dirname, '../support/poison.cjs');
      const args = ['--only', 'fxa,newsletter,relay'];
      workers = Array.from({ length: count }, () => new Supervised(program, { args, env, preload }).start());

      const expected = canonicalExport(factsOf([...before, ...after]));
      const all = [...before, ...after].reduce((sum, event) => sum + factsIn(event), 0);
      await whileTheyGetOn(async () => (await broker().ready(DEAD_LETTERS)) > 0);
      await whileTheyGetOn(async () => (await facts()) === all || (await broker().ready(DEAD_LETTERS)) > 1);
      await until(() => workers.every(({ isUp }) => isUp), 60_000); // the poison is gone
      for (const worker of workers) expect(await worker.stop()).toBe(0);

      const origin = poison.kind === 'newsletter' ? NEWSLETTER_QUEUE : FXA_QUEUE;
      const { out } = await deadLetters('list', '--json');
      const letters = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(letters).toMatchObject([{ reason: 'delivery_limit', origin_queue: origin, attempts: 0 }]);
      const [letter] = letters;
      expect(await canonicalExportOf(database.db)).toEqual(expected);
      for (const queue of [FXA_QUEUE, NEWSLETTER_QUEUE, ...RETRY_DELAYS.map(retryQueue)]) {
        expect({ queue, left: await broker().ready(queue) }).toEqual({ queue, left: 0 });
      }

      // It killed each process that had it, and only those. (Fewer times than the limit allows: not every delivery gets to a life.)
      const deaths = workers
        .flatMap(({ endings }) => endings)
        .filter(({ how }) => how === 'by itself')
        .map(({ signal, code }) => signal ?? code);
      expect(new Set(deaths)).toEqual(new Set(['SIGKILL']));
      expect(deaths.length).toBeGreaterThanOrEqual(DELIVERY_LIMIT / 2);
      expect(deaths.length).toBeLessThanOrEqual(DELIVERY_LIMIT + 1);

      expect((await deadLetters('list')).out.replace(/\s+/g, ' ')).toMatch(
        new RegExp(` ${letter.id} .* delivery_limit 0 ${origin.replace('.', '\\.')} - 1 dead letter $`),
      );
      const shown = JSON.parse((await deadLetters('show', '--json', letter.id)).out);
      expect(JSON.parse(shown.body)).toEqual(JSON.parse(JSON.stringify(messageOf(poison).body)));
      expect((await deadLetters('show', letter.id)).out).toMatch(/reason +delivery_limit\n/);
    },
    600_000, // against a hang only
  );
});
