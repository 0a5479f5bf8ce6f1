/** The pages of the dead letters. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/foundation/secret';
import { connectedTo } from '../../src/operations/servers';
import { lockQueue } from '../../src/rabbitmq/browse-queue';
import { openConnection } from '../../src/rabbitmq/connection';
import { DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { silent, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addDeadLetters, drain } from '../support/dead-letters';
import { startTestConsole, type TestConsole, Visitor } from '../support/visitor';

const broker = withBroker();
let data: TestDatabase;
let server: TestConsole;
let visitor: Visitor;
beforeAll(async () => {
  data = await freshDatabase();
  server = await startConsoleAt(broker().url);
  visitor = await Visitor.signedIn(server.url);
});
afterAll(async () => {
  await server?.app.close();
  await data?.drop();
});
afterEach(async () => {
  await data.sql('DELETE FROM audit');
  const channel = await broker().channel();
  for (const queue of [DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE])
    await channel.purgeQueue(queue).catch(() => undefined);
});

const startConsoleAt = (url: string): Promise<TestConsole> =>
  startTestConsole(data.db, {
    context: { withBroker: (work) => connectedTo(Secret.of(url), 'onecontact test console', work) },
  });

async function send(body: string, headers: Record<string, unknown> = {}): Promise<void> {
  const death = { reason: 'invalid_shape', error: 'newsletters.1: must be a string', attempts: 0 };
  const rest = { 'origin-queue': NEWSLETTER_QUEUE, 'last-seen': '2026-01-22T10:00:00.000Z' };
  await broker().send('', DEAD_LETTERS, [body], { persistent: true, headers: { ...death, ...rest, ...headers } });
}

const idsOf = (html: string): string[] =>
  [...html.matchAll(/href="\/dead-letters\/([0-9a-f]{16})"/g)].map(([, id]) => id as string);

/** The fields that a page has filled in itself. */
const hidden = (html: string): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name as string,
      value as string,
    ]),
  );

/** Reads the page that asks, then agrees. */
async function agree(page: string, reason = 'ticket 7') {
  const { html, text, status } = await visitor.get(page);
  expect(status).toBe(200);
  return { asked: text, html, done: await visitor.post('/dead-letters/confirm', { ...hidden(html), reason }) };
}

const audit = () => data.db.audit.findMany({ orderBy: { seq: 'asc' } });

describe('the list of dead letters', () => {
  it('counts them by reason and queue, with the oldest and the newest, and says what each reason means', async () => {
    expect((await visitor.get('/dead-letters')).text).toContain('There are no dead letters');
    await addDeadLetters(broker(), 3);
    await addDeadLetters(broker(), 1, { 'last-seen': '2026-01-23T08:00:00.000Z' });
    await addDeadLetters(broker(), 2, { reason: 'not_json', 'origin-queue': FXA_QUEUE });
    const { text, html } = await visitor.get('/dead-letters');
    expect(text).toContain(
      'failed The message was tried several times, and the database refused each attempt. contacts.newsletter 4 2026-01-21 10:13 UTC 2026-01-23 08:00 UTC Show Replay all… Drop all…',
    );
    expect(text).toMatch(/not_json The message is not readable JSON\. contacts\.fxa 2 /);
    expect(text).toContain('6 dead letters, oldest first.');
    expect(idsOf(html)).toHaveLength(6);
    const some = await visitor.get(`/dead-letters?reason=not_json&origin=${FXA_QUEUE}`);
    expect(idsOf(some.html)).toEqual(idsOf(html).slice(4));
    expect(await drain(broker())).toEqual(['1', '2', '3', '1', '1', '2']);
  });

  it('has fifty on a page, oldest first, and leads to the next', async () => {
    await addDeadLetters(broker(), 60);
    const first = await visitor.get('/dead-letters?reason=failed');
    expect([first.text.includes('The oldest 50 of 60 dead letters'), idsOf(first.html).length]).toEqual([true, 50]);
    const next = /href="([^"]+)">Next page/.exec(first.html)?.[1]?.replaceAll('&amp;', '&') as string;
    const second = await visitor.get(next);
    expect([second.text.includes('Next page'), idsOf(second.html).length]).toEqual([false, 10]);
    expect(new Set([...idsOf(first.html), ...idsOf(second.html)]).size).toBe(60);
  });

  it('finds those that name an address, in every spelling, without the address in a URL', async () => {
    for (const body of ['{"email":" Ada@Mail.test"}', '{"email":"bob@mail.test"}', '<b>?to=ada%40mail.test'])
      await send(body);
    const found = await visitor.submit('/dead-letters', '/dead-letters/search', { address: 'ADA@mail.test' });
    expect([found.status, found.location, idsOf(found.html).length]).toEqual([200, null, 2]);
    expect(found.text).toContain('2 of 3 dead letters name the address.');
    const none = await visitor.submit('/dead-letters', '/dead-letters/search', { address: 'eve@mail.test' });
    expect(none.text).toContain('0 of 3 dead letters name the address.');
    expect((await visitor.submit('/dead-letters', '/dead-letters/search', { address: 'x' })).status).toBe(400);
  });

  it('shows what outsiders wrote as text, and has none of it in an address', async () => {
    const evil = '<script>alert(1)</script>"\u202e';
    await send(JSON.stringify({ [evil]: evil }), {
      ...{ reason: evil, error: `x: ${evil}`, 'origin-queue': evil },
      [evil]: evil,
    });
    const list = await visitor.get('/dead-letters');
    const letter = await visitor.get(`/dead-letters/${idsOf(list.html)[0]}`);
    for (const { html, text, status } of [list, letter]) {
      expect([status, html.includes('<script>alert'), html.includes('\u202e')]).toEqual([200, false, false]);
      expect(text).toContain('<script>alert(1)</script>"\ufffd');
      expect([...html.matchAll(/href="([^"]*)"/g)].filter(([, href]) => href?.includes('alert'))).toEqual([]);
    }
    expect(letter.text).toContain('It cannot be replayed');
  });
});

describe('the page of a dead letter', () => {
  it('says why it is here and what to do, and marks the lines with a problem', async () => {
    const message = { event: 'newsletter.subscribe', ts: 1.7e9, email: 'ada@mail.test', newsletters: ['news', 7] };
    await send(JSON.stringify(message), { replays: 1, 'earlier-attempts': 2 });
    const [id] = idsOf((await visitor.get('/dead-letters')).html);
    const { text, html } = await visitor.get(`/dead-letters/${id}`);
    expect(text).toContain('A field of the message is missing, or is not of the right type.');
    expect(text).toContain('What to do: Ask the sender to fix it');
    expect(text).toContain('Error newsletters.1: must be a string');
    expect(text).toContain('Last seen 2026-01-22 10:00 UTC');
    expect(html).toContain('<mark>    7</mark> <strong>← newsletters.1: must be a string</strong>');
    expect(html.match(/<mark>/g)).toHaveLength(1);
    expect(text).toContain('Replayed 1 time');
    expect(text).toMatch(/origin-queue contacts\.newsletter/);
    expect(hidden(html)).toMatchObject({ key: 'ada@mail.test' });
    expect(await visitor.post('/find', hidden(html))).toMatchObject({
      status: 404,
      text: expect.stringContaining('No reader has the email address'),
    });
  });

  it('says that a replay may help once this version understands the message', async () => {
    await send(JSON.stringify({ event: 'newsletter.unsubscribe', ts: 1.7e9, email: 'ada@mail.test', all: true }), {
      ...{ reason: 'unknown_event', error: 'event: is not a known newsletter event' },
    });
    const [id] = idsOf((await visitor.get('/dead-letters')).html);
    expect((await visitor.get(`/dead-letters/${id}`)).text).toContain(
      'This version understands the message as a whole now',
    );
  });

  it('is not found for an unknown id, nor for a text that is not an id', async () => {
    expect(await visitor.get('/dead-letters/0123456789abcdef')).toMatchObject({
      status: 404,
      text: expect.stringContaining('This dead letter is not in the queue now'),
    });
    for (const path of ['/dead-letters/x', '/dead-letters/confirm', '/dead-letters/confirm?act=drop'])
      expect((await visitor.get(path)).status).toBe(404);
  });
});

describe('replaying and dropping', () => {
  it('replays all of a reason to their queues, says how many stay, and is in the audit', async () => {
    await addDeadLetters(broker(), 3);
    await addDeadLetters(broker(), 1, { 'origin-queue': FXA_QUEUE });
    await addDeadLetters(broker(), 1, { 'origin-queue': 'elsewhere' });
    await addDeadLetters(broker(), 1, { reason: 'not_json' });
    const { asked, html, done } = await agree('/dead-letters/confirm?act=replay&reason=failed');
    expect(asked).toContain('Messages 5 of 6 dead letters');
    expect(asked).toContain('Replay 4 messages');
    expect(asked).toContain('1 stays, because');
    expect(done.status).toBe(303);
    const { text } = await visitor.get(done.location as string);
    expect(text).toContain(
      '4 messages replayed: 3 to contacts.newsletter, 1 to contacts.fxa. 1 stays, because it is not known which of our queues it came from.',
    );
    expect([await broker().ready(NEWSLETTER_QUEUE), await broker().ready(FXA_QUEUE)]).toEqual([3, 1]);
    expect(await audit()).toMatchObject([
      {
        ...{ operator: 'ada', reason: 'ticket 7', command: 'dead-letters replay', target: { reason: 'failed' } },
        result: { dead_letters: 6, matched: 5, replayed: 4 },
      },
    ]);
    // The same form again.
    const again = await visitor.post('/dead-letters/confirm', { ...hidden(html), reason: 'twice' });
    expect(again).toMatchObject({ status: 409, text: expect.stringContaining('Not done: meanwhile') });
    expect([await audit(), await drain(broker())]).toMatchObject([[{ reason: 'ticket 7' }], ['1', '1']]);
  });

  it('drops one message and no other, after its page, and says that this cannot be undone', async () => {
    await addDeadLetters(broker(), 3);
    const [, id] = idsOf((await visitor.get('/dead-letters')).html);
    const { asked, done } = await agree(`/dead-letters/confirm?act=drop&id=${id}`);
    expect(asked).toContain('This cannot be undone');
    expect(asked).toContain('Drop 1 message for good');
    expect((await visitor.get(done.location as string)).text).toContain('1 message dropped.');
    expect(await audit()).toMatchObject([
      { command: 'dead-letters drop', target: { ids: [id] }, result: { dead_letters: 3, matched: 1, dropped: 1 } },
    ]);
    expect(await drain(broker())).toEqual(['1', '3']);
    expect((await visitor.get(`/dead-letters/confirm?act=drop&id=${id}`)).text).toContain('There is nothing to drop');
  });

  it('leaves alone what came after the count, and does nothing if some of the counted are gone', async () => {
    await addDeadLetters(broker(), 2);
    const page = await visitor.get('/dead-letters/confirm?act=drop&reason=failed');
    await addDeadLetters(broker(), 1);
    const done = await visitor.post('/dead-letters/confirm', { ...hidden(page.html), reason: 'x' });
    expect(done.location).toContain('matched=2');
    const other = await visitor.get('/dead-letters/confirm?act=drop&reason=failed');
    expect(await drain(broker())).toEqual(['1']);
    await addDeadLetters(broker(), 1, { error: 'another' });
    const late = await visitor.post('/dead-letters/confirm', { ...hidden(other.html), reason: 'x' });
    expect(late).toMatchObject({ status: 409, text: expect.stringContaining('Messages 1 of 1 dead letter') });
    expect(await broker().ready(DEAD_LETTERS)).toBe(1);
  });

  it('needs a reason, a known kind, and the token of a page', async () => {
    await addDeadLetters(broker(), 1);
    const { html } = await visitor.get('/dead-letters/confirm?act=drop&reason=failed');
    const fields = hidden(html);
    const post = async (changed: Record<string, string>) =>
      (await visitor.post('/dead-letters/confirm', { ...fields, reason: 'x', ...changed })).status;
    expect(await post({ reason: ' ' })).toBe(400);
    expect(await post({ which: '' })).toBe(400);
    expect(await post({ which: 'made-up' })).toBe(400);
    expect(await post({ act: 'eat' })).toBe(400);
    expect(await post({ _csrf: 'x' })).toBe(403);
    expect([await audit(), await broker().ready(DEAD_LETTERS)]).toEqual([[], 1]);
  });
});

describe('dead letters that cannot be read now', () => {
  it('are a page that says who may be working on them, while another operator is', async () => {
    const connection = await openConnection({ url: broker().url, name: 'onecontact test', log: silent });
    await connection.ready();
    await lockQueue(connection, DEAD_LETTERS);
    const { status, text } = await visitor.get('/dead-letters');
    await connection.close();
    expect([status, text]).toEqual([503, expect.stringContaining('Another operator is working on the dead letters')]);
  });

  it('are read by one page after the other, so that two people can look at once', async () => {
    await addDeadLetters(broker(), 2);
    const pages = await Promise.all(['', '', ''].map(() => visitor.get('/dead-letters')));
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('are a page that says what to set without a broker, and what is wrong with one that is down', async () => {
    const without = await startTestConsole(data.db);
    const away = await startConsoleAt('amqp://user:secret@127.0.0.1:1/x');
    for (const [{ url, app }, problem] of [
      [without, 'AMQP_URL is not set'],
      [away, 'The broker cannot be reached (ECONNREFUSED)'],
    ] as const) {
      const { status, text } = await (await Visitor.signedIn(url)).get('/dead-letters');
      expect([status, text]).toEqual([503, expect.stringContaining(problem)]);
      expect(text).not.toContain('secret');
      await app.close();
    }
    await broker().deleteQueue(DEAD_LETTERS);
    expect(await visitor.get('/dead-letters')).toMatchObject({
      status: 503,
      text: expect.stringContaining('The broker has no queue contacts.dead-letters'),
    });
  });
});
