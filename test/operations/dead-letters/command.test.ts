import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Service } from '../../../src/main';
import { DEAD_LETTERS, FXA_QUEUE, NEWSLETTER_QUEUE, RETRY_DELAYS, retryQueue } from '../../../src/rabbitmq/names';
import { declareAll } from '../../../src/rabbitmq/topology/topology';
import { problemsOf } from '../../messages/published';
import { withBroker } from '../../support/broker';
import { confirmed, onecontact, type Ran, terminal } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { addDeadLetters, drain } from '../../support/dead-letters';
import { addressOf, signup } from '../../support/events';
import { eventually, get, messageOf, startOn } from '../../support/service';

const broker = withBroker();
let data: TestDatabase;
beforeAll(async () => {
  data = await freshDatabase();
});
afterAll(() => data?.drop());
const env = () => ({ AMQP_URL: broker().url, DATABASE_URL: data.url });
const deadLetters = (...args: string[]): Promise<Ran> => onecontact(confirmed(['dead-letters', ...args]), env());
const listed = async (...args: string[]): Promise<Record<string, unknown>[]> => {
  const { out, code } = await deadLetters('list', '--json', ...args);
  expect(code).toBe(0);
  return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
};

/** Without message ids: republishing gives a message an id if it had none. */
const bare = (letters: Record<string, unknown>[]) => letters.map(({ message_id: _, ...rest }) => rest);

describe('onecontact dead-letters', () => {
  beforeEach(() => broker().freshTopology());

  it('lists dead letters as a table, oldest first, without their content and with control characters made visible', async () => {
    await addDeadLetters(broker(), 2);
    await addDeadLetters(broker(), 1, { reason: 'not\u001b[31m_json', error: 'message: is not JSON', attempts: 0 });
    const { out, code, err } = await deadLetters('list');
    expect([code, err]).toEqual([0, '']);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^id +last seen \(UTC\) +reason +attempts$/);
    expect(lines[1]).toMatch(/^ +origin queue +error$/);
    expect(lines[2]).toMatch(/^[0-9a-f]{16} {2}2026-01-21 10:13:00 {2}failed +5$/);
    expect(lines[3]).toMatch(/^ +contacts\.newsletter {2}P0001$/);
    expect(lines[6]).toMatch(/not\ufffd\[31m_json +0$/);
    expect(lines[7]).toMatch(/^ +contacts\.newsletter {2}message: is not JSON$/);
    expect(lines[8]).toBe('3 dead letters');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  it('lists the same ids every time, and only the dead letters that match the filters', async () => {
    await addDeadLetters(broker(), 3);
    await addDeadLetters(broker(), 2, {
      reason: 'not_json',
      'origin-queue': FXA_QUEUE,
      'last-seen': '2026-01-25T00:00:00.000Z',
    });
    const all = await listed();
    for (let n = 0; n < 4; n++) expect(bare(await listed())).toEqual(bare(all));
    const ids = (letters: Record<string, unknown>[]): unknown[] => letters.map(({ id }) => id);
    for (const filter of [
      ['--reason', 'not_json'],
      ['--origin-queue', FXA_QUEUE],
      ['--since', '2026-01-22'],
    ]) {
      expect(ids(await listed(...filter))).toEqual(ids(all.slice(3)));
    }
    expect(ids(await listed('--until', '2026-01-22T00:00+01:00'))).toEqual(ids(all.slice(0, 3)));
    expect(ids(await listed('--limit', '2'))).toEqual(ids(all.slice(0, 2)));
    expect(await listed('--since', '1s')).toEqual([]);
    expect((await deadLetters('list', '--reason', 'not_json')).out).toMatch(/\n2 of 5 dead letters match\.\n$/);
  }, 120_000);

  it('shows the headers and the body of a dead letter, as text and as JSON', async () => {
    await addDeadLetters(broker(), 3);
    const id = String((await listed())[1]?.id);
    const { out } = await deadLetters('show', id);
    expect(out).toContain(`id             ${id}\nreason         failed\n`);
    expect(out).toMatch(/\nheaders\n(.+\n)* {2}origin-queue: "contacts\.newsletter"\n(.+\n)*body, 1 bytes\n2\n$/);
    expect(JSON.parse((await deadLetters('show', '--json', id)).out)).toMatchObject({
      id,
      body: '2',
      headers: { reason: 'failed' },
    });
    expect(await drain(broker())).toEqual(['1', '2', '3']);
  });

  it('drops dead letters by id, by filter or all, and prints how many; a dry run drops nothing', async () => {
    await addDeadLetters(broker(), 4);
    await addDeadLetters(broker(), 2, { reason: 'not_json' });
    const first = String((await listed('--limit', '1'))[0]?.id);
    expect((await deadLetters('drop', '--all', '--dry-run')).out).toBe('Would drop 6 of 6 dead letters.\n');
    expect((await deadLetters('drop', '--reason', 'not_json')).out).toBe('Dropped 2 of 6 dead letters.\n');
    expect((await deadLetters('drop', first)).out).toBe('Dropped 1 of 4 dead letters.\n');
    expect(JSON.parse((await deadLetters('drop', '--all', '--json')).out)).toEqual({
      dead_letters: 3,
      matched: 3,
      dropped: 3,
      dry_run: false,
    });
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
    expect((await deadLetters('list')).out).toBe('There are no dead letters.\n');
  });

  it('asks on a terminal before it drops, drops no others than it counted, and needs --yes elsewhere', async () => {
    await addDeadLetters(broker(), 2);
    await addDeadLetters(broker(), 2, { reason: 'not_json' });
    const drop = (stdin: Parameters<typeof onecontact>[2], ...args: string[]) =>
      onecontact(['dead-letters', 'drop', ...args], env(), stdin);
    expect(await drop(undefined, '--all')).toEqual({
      ...{ code: 2, out: '' },
      err: expect.stringMatching(/^error: confirm with --yes, /),
    });
    expect(await drop(terminal(''), '--reason', 'not_json')).toEqual({
      ...{ code: 1, out: '' },
      err: expect.stringMatching(
        /2 of 4 dead letters match\.\nDelete them for good\? \[y\/N\] onecontact: Not confirmed: nothing was changed\.\n$/,
      ),
    });
    const addsAnother = {
      isTTY: true,
      async *[Symbol.asyncIterator]() {
        await addDeadLetters(broker(), 1, { reason: 'not_json' });
        yield Buffer.from('y\n');
      },
    };
    expect((await drop(addsAnother, '--reason', 'not_json')).out).toBe('Dropped 2 of 5 dead letters.\n');
    expect(await listed()).toHaveLength(3);
    const [first] = await listed('--limit', '1');
    const some = await drop(terminal('y'), String(first?.id), '0123456789abcdef');
    expect([some.code, some.out]).toEqual([1, 'Dropped 1 of 3 dead letters.\n']);
    expect(some.err.match(/No dead letter has the id 0123456789abcdef/g)).toHaveLength(1);
    expect(await drop(terminal(), '--reason', 'too_large')).toMatchObject({
      code: 0,
      out: 'Dropped 0 of 2 dead letters.\n',
    });
    const noDatabase = await onecontact(['dead-letters', 'drop', '--all'], { AMQP_URL: broker().url }, terminal('y'));
    expect([noDatabase.code, noDatabase.err]).toEqual([1, expect.stringMatching(/\n {2}DATABASE_URL: /)]);
  });

  it('lists, shows, replays and drops the dead letters that name an address, and never repeats the address', async () => {
    const bodies = ['{"email":" Ada@Mail.test"}', '{"email":"x.ada@mail.test"}', 'x?email=ada%40mail.test', '[[{'];
    const headers = { reason: 'failed', 'origin-queue': NEWSLETTER_QUEUE };
    await broker().send('', DEAD_LETTERS, bodies, { persistent: true, headers });
    const by = ['--address', 'ADA@mail.test'];
    expect(await listed(...by)).toHaveLength(2);
    const list = await deadLetters('list', ...by);
    expect(list.out).toMatch(/\n2 of 4 dead letters match\.\n$/);
    expect(list.out + list.err).not.toMatch(/ada/i);
    const { out } = await deadLetters('show', '--json', ...by);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).body),
    ).toEqual([bodies[0], bodies[2]]);
    expect(await deadLetters('show', '--address', 'eve@mail.test')).toEqual({
      ...{ code: 1, out: '' },
      err: 'onecontact: No dead letter names this address.\n',
    });
    for (const args of [['show'], ['show', '0123456789abcdef', ...by], ['drop', '--all', ...by]]) {
      expect((await deadLetters(...args)).code).toBe(2);
    }
    expect((await deadLetters('replay', '--limit', '1', ...by)).code).toBe(0);
    expect((await deadLetters('drop', ...by)).out).toBe('Dropped 1 of 3 dead letters.\n');
    expect(await drain(broker())).toEqual([bodies[1], bodies[3]]);
    expect(await drain(broker(), NEWSLETTER_QUEUE)).toEqual([bodies[0]]);
  });

  it('replays each dead letter to its origin queue; a dead letter of a foreign queue stays', async () => {
    await addDeadLetters(broker(), 3);
    await addDeadLetters(broker(), 1, { 'origin-queue': 'somebody.else' });
    expect((await deadLetters('replay', '--all', '--dry-run')).out).toBe(
      'Would replay 3 of 4 dead letters: contacts.newsletter 3.\n1 dead letter came from an unknown queue: not replayed.\n',
    );
    expect(await broker().ready(NEWSLETTER_QUEUE)).toBe(0);
    expect((await deadLetters('replay', '--reason', 'failed', '--limit', '1')).code).toBe(0);
    const { out, code } = await deadLetters('replay', '--all');
    expect([out, code]).toEqual([
      'Replayed 2 of 3 dead letters: contacts.newsletter 2.\n1 dead letter came from an unknown queue: not replayed.\n',
      1,
    ]);
    expect(await drain(broker(), NEWSLETTER_QUEUE)).toEqual(['1', '2', '3']);
    expect(await drain(broker())).toEqual(['1']);
  });

  it('lists and replays a message that the broker dead-lettered at its delivery limit', async () => {
    await broker().send('', NEWSLETTER_QUEUE, ['{}'], { persistent: true });
    for (let n = 0; (await broker().ready(DEAD_LETTERS)) === 0; n++) {
      expect(n).toBeLessThan(40);
      const channel = await broker().channel();
      await eventually(
        async () => (await channel.get(NEWSLETTER_QUEUE)) || (await broker().ready(DEAD_LETTERS)) > 0,
        (got) => got !== false,
      );
      await channel.close(); // like a worker that is killed
    }
    const [letter] = await listed();
    expect(letter).toMatchObject({ reason: 'delivery_limit', origin_queue: NEWSLETTER_QUEUE, attempts: 0 });
    for (let n = 0; n < 3; n++) expect(bare(await listed())).toEqual(bare([letter ?? {}]));
    expect((await deadLetters('replay', String(letter?.id))).code).toBe(0);
    const { properties } = await broker().next(NEWSLETTER_QUEUE);
    expect(properties.headers).toMatchObject({
      replays: 1,
      'earlier-deaths': [{ reason: 'delivery_limit', attempts: 0 }],
    });
    expect(properties.headers).not.toHaveProperty('x-death');
  }, 120_000);

  it('exits with 1 for an unknown id, and still drops the known ones', async () => {
    await addDeadLetters(broker(), 1);
    const unknown = '0000000000000000';
    const err = `onecontact: No dead letter has the id ${unknown}.\n`;
    expect(await deadLetters('show', unknown)).toEqual({ code: 1, out: '', err });
    const known = String((await listed())[0]?.id);
    expect(await deadLetters('drop', unknown, known)).toEqual({
      code: 1,
      out: 'Dropped 1 of 1 dead letter.\n',
      err,
    });
  });

  it('says in one sentence that the queue does not exist or the broker is unreachable', async () => {
    const channel = await broker().channel();
    await channel.deleteQueue(DEAD_LETTERS);
    const missing = await deadLetters('list');
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.err).toMatch(/^onecontact: The broker has no queue contacts\.dead-letters: [^\n]+\n$/);
    await declareAll(channel);
    const away = await onecontact(['dead-letters', 'list'], { AMQP_URL: 'amqp://user:top-secret@127.0.0.1:1' });
    expect(away).toMatchObject({ code: 1, out: '' });
    expect(away.err).toMatch(/^onecontact: The broker cannot be reached \(ECONNREFUSED\): check AMQP_URL[^\n]*\n$/);
    const wrong = new URL(broker().url);
    wrong.password = 'top-secret';
    const refused = await onecontact(['dead-letters', 'list'], { AMQP_URL: wrong.href });
    expect(refused.err).toMatch(/^onecontact: The broker rejects the user name or password[^\n]*\n$/);
  });

  it.each([
    ['drop'],
    ['replay', '--limit', '5'],
    ['replay', '--all', '--reason', 'failed'],
    ['drop', 'not-an-id'],
    ['show'],
    ['list', '--since', 'yesterday'],
    ['list', '--since', '2026-02-31T00:00:00Z'],
    ['list', '--limit', '0'],
    ['nonsense'],
    ['list', '--reason', 'foo'],
    ['replay', '--reason', 'invalid_addres'],
    ['drop', '--yes', '--reason', ''],
    ['list', '--origin-queue', 'nosuch'],
    ['replay', '--origin-queue', 'contacts.fxa '],
  ])('exits with 2 on bad usage: %s %s %s', async (...args) => {
    const { code, out } = await onecontact(['dead-letters', ...args], { AMQP_URL: 'amqp://127.0.0.1:1' });
    expect([code, out]).toEqual([2, '']);
  });
});

describe('onecontact dead-letters replay, while the service runs', () => {
  let database: TestDatabase;
  let service: Service;
  beforeAll(async () => {
    await broker().freshTopology();
    database = await freshDatabase();
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused: %', NEW.address; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
    service = await startOn(broker(), database);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  });

  const one = async (): Promise<Record<string, unknown>> =>
    (await eventually(listed, (letters) => letters.length === 1))[0] ?? {};
  const firstSeen = '2026-01-21T10:00:00.000Z';
  /** A message on its last attempt, as it returns from the last retry queue: all retry delays together take a quarter of an hour. */
  const poison = async (headers: Record<string, unknown> = {}): Promise<void> => {
    const { body } = messageOf(signup('poison', ['x'], 1));
    const said = { attempts: RETRY_DELAYS.length, 'first-seen': firstSeen, ...headers };
    await broker().send('', NEWSLETTER_QUEUE, [JSON.stringify(body)], { persistent: true, headers: said });
  };

  it('gives a message all its retries again, keeps its history when it fails, and handles it once the cause is fixed', async () => {
    await poison();
    const letter = await one();
    expect(letter).toMatchObject({
      reason: 'failed',
      error: 'P0001',
      attempts: 5,
      total_attempts: 5,
      replays: 0,
      first_seen: firstSeen,
    });

    expect((await deadLetters('replay', '--reason', 'failed')).out).toBe(
      'Replayed 1 of 1 dead letter: contacts.newsletter 1.\n',
    );
    // It failed at once and waits for the first retry delay, not for the last.
    const waiting = retryQueue(RETRY_DELAYS[0]);
    await eventually(
      () => broker().ready(waiting),
      (n) => n === 1,
    );
    const onItsWay = await broker().next(waiting);
    expect(onItsWay.properties.headers).toMatchObject({
      attempts: 1,
      replays: 1,
      'earlier-attempts': 5,
      'first-seen': firstSeen,
    });
    // Skips the other retry delays: publishes the last attempt by hand.
    const headers = { ...onItsWay.properties.headers, attempts: RETRY_DELAYS.length };
    await broker().send('', NEWSLETTER_QUEUE, [onItsWay.content.toString()], { persistent: true, headers });

    const again = await one();
    expect(again).toMatchObject({
      reason: 'failed',
      attempts: 5,
      total_attempts: 10,
      replays: 1,
      first_seen: firstSeen,
    });
    expect(again.id).not.toBe(letter.id);
    const shown = JSON.parse((await deadLetters('show', '--json', String(again.id))).out);
    expect(shown.earlier_deaths).toEqual([
      { reason: 'failed', error: 'P0001', attempts: 5, last_seen: letter.last_seen },
    ]);
    expect(problemsOf('dead-letter.headers', shown.headers)).toEqual([]);
    expect((await deadLetters('list')).out).toMatch(/ 10, 1x\n +contacts\.newsletter +P0001\n/);

    await database.sql('DROP TRIGGER refuse ON email_address');
    expect((await deadLetters('replay', String(again.id))).code).toBe(0);
    const path = `/contacts/by-email/${addressOf('poison').key}`;
    await eventually(
      () => get(service, path),
      ({ status }) => status === 200,
    );
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  });

  it('a message that cannot be parsed returns after each replay with its whole history, and replay --all still ends', async () => {
    await broker().send('', NEWSLETTER_QUEUE, ['not json'], { persistent: true });
    for (let round = 1; round <= 3; round++) {
      await one();
      expect((await deadLetters('replay', '--all')).out).toContain('Replayed 1 of 1 dead letter');
    }
    const last = await one();
    expect(last).toMatchObject({ reason: 'not_json', attempts: 0, replays: 3 });
    const shown = JSON.parse((await deadLetters('show', '--json', String(last.id))).out);
    expect(shown.earlier_deaths).toHaveLength(3);
    await deadLetters('drop', '--all');
  });
});
