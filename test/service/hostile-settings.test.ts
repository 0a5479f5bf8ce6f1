/** The service on a database whose own settings change how values are written and read, and which tables are found. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, HOSTILE_SETTINGS, type TestDatabase } from '../support/database';
import { acct, addressOf, at, signup } from '../support/events';
import { eventually, get, publish, startOn } from '../support/service';

const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  await database.alter(HOSTILE_SETTINGS);
  service = await startOn(broker(), database);
});
afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('a merge is announced, look-ups and commands answer, and the ledger has the times at which things happened', async () => {
  const began = Date.now();
  await publish(broker(), signup('merged', ['x'], 1, { profile: { firstName: 'Łukasz \\ "é"' } }));
  await publish(broker(), acct('m1', 'own', 2));
  const path = (name: string): string => `/contacts/by-email/${encodeURIComponent(addressOf(name).key)}`;
  for (const name of ['merged', 'own'])
    await eventually(
      () => get(service, path(name)),
      ({ status }) => status === 200,
    );
  await publish(broker(), acct('m1', 'merged', 3));

  const message = JSON.parse((await broker().next(MAILER_QUEUE)).content.toString());
  const eventTime = new Date(at(3)).toISOString();
  expect(message.trigger.event_time).toBe(eventTime);
  const { body } = await get(service, path('merged'));
  expect(body).toMatchObject({
    first_name: 'Łukasz \\ "é"',
    newsletters: { x: { since: new Date(at(1)).toISOString() } },
  });

  const history = (await get(service, `/contacts/${body.contact_id}/history`)).body as {
    merges: { merged_at: string }[];
  };
  const answer = await onecontact(['merges', 'show', message.merge_id, '--json'], { DATABASE_URL: database.url });
  expect(answer).toMatchObject({ code: 0, err: '' });
  const shown = JSON.parse(answer.out);
  for (const merge of [history.merges[0], shown]) {
    const mergedAt = Date.parse(merge.merged_at);
    expect(mergedAt).toBeGreaterThanOrEqual(began - 60_000);
    expect(mergedAt).toBeLessThanOrEqual(Date.now() + 60_000);
  }
  expect(JSON.stringify([history, shown])).toContain(eventTime);
});
