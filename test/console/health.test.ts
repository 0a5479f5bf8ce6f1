/** The page about the state of each part. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/foundation/secret';
import { connectedTo } from '../../src/operations/servers';
import { openDatabase } from '../../src/postgres/database';
import { DEAD_LETTERS, MAILER_QUEUE, NEWSLETTER_QUEUE, QUEUES, UNROUTED } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addDeadLetters } from '../support/dead-letters';
import { acct, signup } from '../support/events';
import { apply } from '../support/stored';
import { startTestConsole, type TestConsole, Visitor } from '../support/visitor';

const broker = withBroker();
let data: TestDatabase;
let server: TestConsole;
beforeAll(async () => {
  data = await freshDatabase();
});
afterAll(() => data?.drop());
afterEach(() => server?.app.close());

/** What the page says of each part: state, meaning, and what to do. */
async function read(): Promise<Record<string, string>> {
  const visitor = await Visitor.signedIn(server.url);
  const { status, html } = await visitor.get('/health');
  expect(status).toBe(200);
  const rows = [...html.matchAll(/<tr>(<th scope="row">.*?)<\/tr>/g)].map(([, row = '']) =>
    row.split(/<\/t[hd]>/).map((cell) => cell.replace(/<[^>]*>/g, '').trim()),
  );
  return Object.fromEntries(rows.map(([part = '', ...cells]) => [part, cells.join(' | ').replace(/[ |]+$/, '')]));
}

const start = (url = broker().url, context = {}) =>
  startTestConsole(data.db, {
    context: { withBroker: (work) => connectedTo(Secret.of(url), 'onecontact test console', work), ...context },
  });

describe('the health page', () => {
  beforeEach(async () => {
    await broker().freshTopology();
  });

  it('says of each part that it is well, or what to do', async () => {
    server = await start();
    const channel = await broker().channel();
    for (const queue of [NEWSLETTER_QUEUE, MAILER_QUEUE, UNROUTED]) await channel.consume(queue, () => undefined);
    await addDeadLetters(broker(), 2);
    expect(await read()).toMatchObject({
      Database: 'ok | It answers, and can be written to.',
      Schema: 'ok | It is the one that this version needs.',
      'Erasure key': 'ok | It is set, and matches all earlier erasures.',
      Notifications: 'ok | The mailer was told of everything.',
      'Change feed': 'ok | Its readers get every change within moments.',
      Maintenance: 'ok | Old data was not removed yet. The first run takes a while.',
      Collisions: 'ok | Nothing waits for a decision.',
      Size: expect.stringMatching(
        /^ok \| \d+ MiB on disk\. By the last estimate of the server: 0 contacts, 0 merges\.$/,
      ),
      'Message broker': expect.stringMatching(/^ok \| RabbitMQ [34]\.\S+ answers\.$/),
      'Newsletter events': 'ok | None waits; 1 consumer of newsletter events.',
      'Account events': 'to do | None waits. | No worker consumes account events: start one.',
      Mailer: 'ok | None waits; 1 consumer of notifications.',
      Retries: 'ok | None waits.',
      'Dead letters': 'to do | 2 messages could not be handled. | See why, then replay or drop them. Dead letters',
      Unrouted: 'ok | None waits.',
      Topology: 'ok | All exchanges and queues are there.',
    });
    await channel.close();
  });

  it('names what waits in the database: notifications, decisions, maintenance and the key of erasures', async () => {
    await apply(data.db, acct('u', 'ada', 1), signup('bob', ['x'], 1));
    await data.sql(`UPDATE address_claim SET status = 'held'`);
    await data.sql(`INSERT INTO outbox (message_id, contact_id, type, schema_version, body, created_at)
      SELECT gen_random_uuid(), id, 'contact.merged', 1, '{}', now() - interval '10 minutes' FROM contact LIMIT 1`);
    await data.sql(`UPDATE compaction SET finished_at = '2026-01-21T10:00:00Z'`);
    await data.sql(`INSERT INTO erasure (hash, at) VALUES ('\\x00', now())`);
    server = await start();
    expect(await read()).toMatchObject({
      Notifications: expect.stringMatching(
        /^to do \| Waiting to be sent to the mailer: \d+ notifications?, the oldest for 6\d\d s\. \| The oldest notification has waited for 6\d\d s: /,
      ),
      Maintenance: expect.stringMatching(/^to do \| Old data was last removed on 2026-01-21\. It is overdue/),
      Collisions: 'to do | Waiting for a decision: 1 claim of an address. | Decide about them. Collisions',
      'Erasure key': expect.stringMatching(/^to do \| .* \| ERASURE_KEY is not the key with which people were erased/),
    });
    await server.app.close();
    server = await start(broker().url, { erasureKey: null });
    expect((await read())['Erasure key']).toMatch(/^to do \| .* ERASURE_KEY is not set: set it to the key/);
  });

  it('names missing queues, and declares none', async () => {
    await broker().deleteQueue(MAILER_QUEUE);
    await broker().deleteQueue(DEAD_LETTERS);
    server = await start();
    expect(await read()).toMatchObject({
      'Message broker': expect.stringMatching(/^ok /),
      Mailer: 'not checked | There is no queue mailer.contact-events: see Topology.',
      Topology: expect.stringMatching(
        /^to do \| Missing: queue mailer\.contact-events, queue contacts\.dead-letters\. \| /,
      ),
    });
    const channel = await broker().channel();
    await expect(channel.checkQueue(MAILER_QUEUE)).rejects.toThrow(/NOT_FOUND/);
    expect(QUEUES).toContain(MAILER_QUEUE);
  });
});

describe('what cannot be reached', () => {
  it('does not hide the other parts: the broker', async () => {
    server = await start('amqp://user:secret@127.0.0.1:1/x');
    const found = await read();
    expect(found).toMatchObject({
      Database: expect.stringMatching(/^ok /),
      'Message broker': expect.stringMatching(/^to do \| .* \| The broker cannot be reached \(ECONNREFUSED\)/),
      'Dead letters': 'not checked | The broker tells nothing.',
    });
    expect(JSON.stringify(found)).not.toContain('secret');
    await server.app.close();
    server = await startTestConsole(data.db);
    expect((await read())['Message broker']).toBe(
      'not checked | AMQP_URL is not set: the console does not know the broker.',
    );
  });

  it('does not hide the other parts: the database', async () => {
    const db = openDatabase({ url: 'postgresql://user:secret@127.0.0.1:1/x', name: 'onecontact test', max: 1 });
    server = await start(broker().url, { db });
    const found = await read();
    expect(found).toMatchObject({
      Database: expect.stringMatching(/^to do \| It cannot be used: no page works.* \| The database cannot be used/),
      Collisions: expect.stringMatching(/^not checked \| The database cannot be used/),
      Topology: expect.stringMatching(/^(ok|to do) /),
    });
    expect(JSON.stringify(found)).not.toContain('secret');
    await db.$disconnect();
  });
});
