/** Messages that no honest producer sends, through the whole service, with honest ones between them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import {
  DEAD_LETTERS,
  FXA_EVENTS,
  FXA_QUEUE,
  HEADERS,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
} from '../../src/rabbitmq/names';
import { parseMetrics, sampled } from '../../tools/prometheus';
import { withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { drain } from '../support/dead-letters';
import { acct, addressOf, at, signup, uidOf } from '../support/events';
import { eventually, get, publish, startOn } from '../support/service';
import { apply } from '../support/stored';

const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  service = await startOn(broker(), database);
});
afterAll(async () => {
  expect(await service?.stop()).toBe(true);
  await database?.drop();
});

const byEmail = (name: string) => () => get(service, `/contacts/by-email/${encodeURIComponent(addressOf(name).key)}`);
const metric = async (name: string, labels: Record<string, string> = {}): Promise<number> =>
  sampled(parseMetrics((await get(service, '/metrics')).text), `onecontact_${name}`, labels) ?? 0;
/** Waits for the next dead letter. @returns its reason and its body */
async function deadLetter(): Promise<[reason: unknown, body: string]> {
  const { content, properties } = await broker().next(DEAD_LETTERS);
  return [properties.headers?.[HEADERS.reason], content.toString()];
}
const unsubscribe = (fields: object): string =>
  JSON.stringify({ event: 'newsletter.unsubscribe', ts: at(5) / 1000, ...fields });
const stateOf = async (name: string): Promise<unknown> => (await byEmail(name)()).body.newsletters;

const TYPE = 'https://schemas.accounts.firefox.com/event/';
const NO_TEXT = { toString: 1, valueOf: 1, toJSON: 1 };
const ts = at(1) / 1000;
const account = (fields: object): string => JSON.stringify({ event: 'login', uid: uidOf('h'), ts, ...fields });
const token = (fields: object, payload: unknown): string =>
  JSON.stringify({ sub: uidOf('h'), iat: ts, events: { [`${TYPE}profile-change`]: payload }, ...fields });
const form = (fields: object): string =>
  JSON.stringify({ event: 'newsletter.subscribe', ts, email: 'hostile@mail.test', newsletters: ['x'], ...fields });
const deep = (levels: number): string => `${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`;
const withRaw = (json: string, raw: string): string => json.replace('{', `{${raw},`);

type Bad = [content: string | Buffer, reason: string];
const ACCOUNT_STREAM: Bad[] = [
  [account({ uid: NO_TEXT, email: 'a@mail.test' }), 'invalid_shape'],
  [account({ email: NO_TEXT }), 'invalid_shape'],
  [account({ ts: NO_TEXT, email: 'a@mail.test' }), 'invalid_shape'],
  [account({ event: NO_TEXT }), 'invalid_shape'],
  [token({}, { email: 'a@mail.test', uid: NO_TEXT }), 'invalid_shape'],
  [token({ sub: NO_TEXT }, { email: 'a@mail.test', uid: uidOf('h') }), 'invalid_shape'],
  [token({ sub: NO_TEXT }, { email: 'a@mail.test' }), 'invalid_shape'],
  [token({ iat: NO_TEXT }, { email: NO_TEXT }), 'invalid_shape'],
  [withRaw(account({}), `"x":${deep(40)}`), 'invalid_shape'],
  [withRaw(account({}), `"email":${deep(50_000)}`).slice(0, 250_000), 'not_json'],
  [withRaw(account({}), `"locale":${deep(20_000)}`), 'invalid_shape'],
  [JSON.stringify({ Message: withRaw(account({}), `"x":${deep(10_000)}`) }), 'invalid_shape'],
  [JSON.stringify({ Message: deep(20_000) }), 'invalid_shape'],
  [`{"event":"login","data":${deep(20_000)}}`, 'invalid_shape'],
  [token({}, {}).replace('{}', deep(20_000)), 'invalid_shape'],
  [`{"__proto__":{"event":"delete"},"uid":"${uidOf('h')}","ts":${ts}}`, 'invalid_shape'],
  [account({ ts: 0, email: 'a@mail.test' }).replace('"ts":0', '"ts":1e999'), 'invalid_shape'],
  [account({ ts: -1e308, email: 'a@mail.test' }), 'invalid_time'],
  [account({ timestamp: 9.1e300, email: 'a@mail.test' }), 'invalid_time'],
  [Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]), 'not_json'],
];
const NEWSLETTER_STREAM: Bad[] = [
  [form({ event: NO_TEXT }), 'invalid_shape'],
  [form({ email: NO_TEXT }), 'invalid_shape'],
  [form({ ts: NO_TEXT }), 'invalid_shape'],
  [form({ newsletters: NO_TEXT }), 'invalid_shape'],
  [form({ newsletters: [NO_TEXT, [[]]] }), 'invalid_shape'],
  [form({ email: undefined, token: NO_TEXT }), 'invalid_shape'],
  [unsubscribe({ email: 'hostile@mail.test', all: NO_TEXT }), 'invalid_shape'],
  [form({ event: 'constructor' }), 'unknown_event'],
  [form({ event: '__proto__' }), 'unknown_event'],
  [withRaw(form({}), `"x":${deep(33)}`), 'invalid_shape'],
  [withRaw(form({}), `"first_name":${deep(20_000)}`), 'invalid_shape'],
  [`[${'['.repeat(100_000)}${']'.repeat(100_000)}]`, 'invalid_shape'],
  [form({ ts: 0 }).replace('"ts":0', '"ts":-1e999'), 'invalid_shape'],
  [form({ ts: 1e300 }), 'invalid_time'],
  [Buffer.concat([Buffer.from(form({})), Buffer.from([0xff])]), 'not_json'],
];

/** Sends bad messages, each after a good one. @returns when all good ones are stored, and all bad ones are dead letters */
async function sendAmong(bad: Bad[], exchange: string, good: (n: number) => Parameters<typeof publish>[1]) {
  for (const [n, [content]] of bad.entries()) {
    await publish(broker(), good(n));
    await broker().send(exchange, 'x', [content as string]);
  }
  await eventually(
    () => broker().ready(DEAD_LETTERS),
    (ready) => ready === bad.length,
  );
  const letters = [];
  for (const _ of bad) letters.push(await broker().next(DEAD_LETTERS));
  return new Map(letters.map(({ content, properties }) => [content.toString('base64'), properties.headers]));
}

describe('a hostile message', () => {
  it.each([
    ['account', FXA_EVENTS, FXA_QUEUE, ACCOUNT_STREAM, (n: number) => acct(`good${n}`, `good${n}`, 1)],
    ['newsletter', NEWSLETTER_EVENTS, NEWSLETTER_QUEUE, NEWSLETTER_STREAM, (n: number) => signup(`fine${n}`, ['x'], 1)],
  ])(
    'of the %s stream ends as a dead letter with a reason, and every message beside it is handled',
    async (_stream, exchange, queue, bad, good) => {
      const letters = await sendAmong(bad, exchange, good);
      for (const [content, reason] of bad) {
        const headers = letters.get(Buffer.from(content as string).toString('base64'));
        expect([content.toString().slice(0, 200), headers?.reason]).toEqual([content.toString().slice(0, 200), reason]);
        expect(headers?.error.length).toBeGreaterThan(5);
      }
      const name = exchange === FXA_EVENTS ? 'good' : 'fine';
      for (const n of bad.keys()) await eventually(byEmail(`${name}${n}`), ({ status }) => status === 200);
      expect(await metric('messages_total', { queue, outcome: 'retry' })).toBe(0);
    },
  );

  it('of an account event that does not concern contacts is ignored, whatever is in it', async () => {
    const before = await metric('messages_total', { queue: FXA_QUEUE, outcome: 'ignored' });
    const odd = [
      account({ event: 'constructor', uid: NO_TEXT }),
      account({ event: 'reset', uid: NO_TEXT, ts: NO_TEXT }),
    ];
    await broker().send(FXA_EVENTS, 'x', odd);
    await eventually(
      () => metric('messages_total', { queue: FXA_QUEUE, outcome: 'ignored' }),
      (n) => n === before + 2,
    );
  });

  it('with objects in the place of details is taken without them', async () => {
    const fields = { lang: NO_TEXT, country: [NO_TEXT], first_name: NO_TEXT, source_url: NO_TEXT, id: NO_TEXT };
    await broker().send(NEWSLETTER_EVENTS, 'x', [form({ ...fields, email: 'odd@mail.test', optin: NO_TEXT })]);
    await eventually(byEmail('odd'), ({ status }) => status === 200);
    for (const field of [...Object.keys(fields), 'optin']) {
      await eventually(
        () => metric('dropped_details_total', { field }),
        (n) => n === 1,
      );
    }
  });
});

describe('a refusal that is understood in part', () => {
  it('is taken, and kept as a dead letter; replayed, it changes nothing and returns', async () => {
    await publish(broker(), signup('partly', ['x', 'y'], 1));
    await eventually(byEmail('partly'), ({ status }) => status === 200);
    const body = unsubscribe({ email: 'partly@mail.test', newsletters: ['x', 'y\u0007'], reason: 'because \ud83c' });
    await broker().send(NEWSLETTER_EVENTS, 'x', [body]);
    await eventually(
      () => broker().ready(DEAD_LETTERS),
      (n) => n === 1,
    );
    const expected = { x: { state: 'unsubscribed' }, y: { state: 'subscribed' } };
    expect(await stateOf('partly')).toMatchObject(expected);
    await eventually(
      () => metric('messages_total', { queue: NEWSLETTER_QUEUE, type: 'partial', outcome: 'dead' }),
      (n) => n === 1,
    );
    const before = await database.sql('SELECT version FROM contact ORDER BY id');
    const replay = await onecontact(['dead-letters', 'replay', '--reason', 'partial'], {
      AMQP_URL: broker().url,
      DATABASE_URL: database.url,
    });
    expect(replay).toMatchObject({ code: 0 });
    await eventually(
      () => metric('messages_total', { queue: NEWSLETTER_QUEUE, type: 'partial', outcome: 'dead' }),
      (n) => n === 2,
    );
    expect(await database.sql('SELECT version FROM contact ORDER BY id')).toEqual(before);
    expect(await deadLetter()).toEqual(['partial', body]);
  });

  it('by an unknown token is a dead letter for its token', async () => {
    const body = unsubscribe({ token: '00000000-0000-4000-8000-000000000000', newsletters: ['x', 7] });
    await broker().send(NEWSLETTER_EVENTS, 'x', [body]);
    expect(await deadLetter()).toEqual(['unknown_token', body]);
  });

  it('and a newsletter event that is not known yet is a dead letter, so that it can be replayed', async () => {
    const body = unsubscribe({ event: 'newsletter.recover', email: 'partly@mail.test', newsletters: [] });
    await broker().send(NEWSLETTER_EVENTS, 'newsletter.recover', [body]);
    expect(await deadLetter()).toEqual(['unknown_event', body]);
  });
});

describe('an address with mail-header syntax', () => {
  const quoted = '"victim"@mail.test';

  it('gets no contact, not even by a refusal', async () => {
    const bodies = [
      form({ email: quoted }),
      unsubscribe({ email: quoted, newsletters: ['x'] }),
      unsubscribe({ email: 'victim(x)@mail.test', all: true }),
    ];
    await broker().send(NEWSLETTER_EVENTS, 'x', bodies);
    await broker().send(FXA_EVENTS, 'x', [account({ email: quoted })]);
    await publish(broker(), signup("o'brien+a{x}/b=c", ['x'], 1));
    await eventually(byEmail("o'brien+a{x}/b=c"), ({ status }) => status === 200);
    const reasons = [];
    for (let n = 0; n < 4; n++) reasons.push((await deadLetter())[0]);
    expect(reasons).toEqual(Array(4).fill('invalid_address'));
    expect(await database.sql("SELECT FROM email_address WHERE address LIKE '%victim%'")).toEqual([]);
  });

  it('that is stored already still takes a refusal, and nothing else', async () => {
    await apply(database.db, signup(quoted, ['x', 'y'], 1));
    await broker().send(NEWSLETTER_EVENTS, 'x', [
      unsubscribe({ email: quoted, newsletters: ['x'] }),
      form({ email: quoted, newsletters: ['z'] }),
    ]);
    expect((await deadLetter())[0]).toBe('invalid_address');
    const choices = () =>
      database.sql<{ newsletter: string }>(
        "SELECT newsletter FROM choice WHERE origin = $1 AND act = 'unsubscribe' OR origin = $1 AND newsletter = 'z'",
        [quoted],
      );
    expect(await eventually(choices, (rows) => rows.length > 0)).toEqual([{ newsletter: 'x' }]);
    await drain(broker());
  });
});
