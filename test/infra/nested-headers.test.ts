/** Header tables and arrays that are nested as deeply as a frame can hold. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import type { Service } from '../../src/main';
import { DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE, QUEUES } from '../../src/rabbitmq/names';
import { until, withBroker } from '../support/broker';
import { confirmed, onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addDeadLetters } from '../support/dead-letters';
import { acct, signup } from '../support/events';
import { factsOf } from '../support/memory-store';
import { nested, sendRaw } from '../support/raw-headers';
import { messageOf, publish, startOn } from '../support/service';
import { canonicalExportOf } from '../support/stored';

const broker = withBroker();
const LEVELS = [1_000, 1_800, 2_000, 4_000, 18_000];
const NESTED = LEVELS.flatMap((levels) => [nested('F', levels), nested('A', levels)]);

describe('a message with deeply nested headers', () => {
  let database: TestDatabase;
  const deadLetters = (...args: string[]) =>
    onecontact(confirmed(['dead-letters', ...args]), { AMQP_URL: broker().url, DATABASE_URL: database.url });
  let service: Service | undefined;

  beforeEach(async () => {
    database = await freshDatabase();
    await broker().freshTopology();
  });
  afterEach(async () => {
    await service?.stop();
    service = undefined;
    await database.drop();
  });

  it('is handled like any other, or dead-lettered for its body; all messages around it are handled', async () => {
    const healthy = (n: number): ContactEvent[] => [signup(`reader${n}`, ['x'], 2), acct(`u${n}`, `account${n}`, 1)];
    const understood: ContactEvent[] = [];
    for (const [n, headers] of NESTED.entries()) {
      // The broker itself takes seconds for each of the deepest: one bad and one good body for each kind.
      const first = n % 4 < 2 === (n % 2 === 0);
      const [bad, good] = first ? [NEWSLETTER_QUEUE, FXA_QUEUE] : [FXA_QUEUE, NEWSLETTER_QUEUE];
      const event = good === FXA_QUEUE ? acct(`n${n}`, `nested${n}`, 1) : signup(`nested${n}`, ['x'], 2);
      await publish(broker(), ...healthy(n));
      await sendRaw(broker(), [
        { routingKey: bad, headers, body: 'not JSON' },
        { routingKey: good, headers, body: JSON.stringify(messageOf(event).body) },
      ]);
      await publish(broker(), ...healthy(n + NESTED.length));
      understood.push(...healthy(n), event, ...healthy(n + NESTED.length));
    }
    service = await startOn(broker(), database);
    const expected = canonicalExport(factsOf(understood)).join();
    await until(async () => (await canonicalExportOf(database.db)).join() === expected, 120_000);
    await until(async () => (await broker().ready(DEAD_LETTERS)) === NESTED.length, 60_000);
    expect((await deadLetters('list', '--json')).out.match(/"reason":"not_json"/g)).toHaveLength(NESTED.length);
  }, 240_000);

  it('does not keep the dead letters from being listed, shown, replayed and dropped', async () => {
    await addDeadLetters(broker(), 2);
    await sendRaw(
      broker(),
      NESTED.map((headers) => ({ routingKey: DEAD_LETTERS, headers, body: 'not JSON' })),
    );
    await addDeadLetters(broker(), 2);
    const total = 4 + NESTED.length;
    const { out } = await deadLetters('list', '--json');
    const letters = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; reason: string | null });
    expect(letters).toHaveLength(total);
    const strange = letters.find(({ reason }) => reason === null);
    expect((await deadLetters('show', strange!.id)).out).toMatch(/\nheaders\n {2}a: (\{"a":){31}null/);
    expect((await deadLetters('show', '--json', strange!.id)).code).toBe(0);
    expect((await deadLetters('replay', '--reason', 'failed')).out).toBe(
      `Replayed 4 of ${total} dead letters: contacts.newsletter 4.\n`,
    );
    expect(await broker().ready(NEWSLETTER_QUEUE)).toBe(4);
    expect((await deadLetters('drop', '--all')).out).toBe(
      `Dropped ${NESTED.length} of ${NESTED.length} dead letters.\n`,
    );
    for (const queue of QUEUES.filter((name) => name !== NEWSLETTER_QUEUE)) expect(await broker().ready(queue)).toBe(0);
  }, 240_000);
});
