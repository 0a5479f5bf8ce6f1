/** Newsletter messages over HTTP, published to a real broker. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { GetMessage } from 'amqplib';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { makeServer } from '../../src/http/server';
import { encode } from '../../src/intake/encode';
import { MAX_BODY_BYTES } from '../../src/intake/newsletter';
import { type IntakeOptions, intakeRoutes } from '../../src/intake/routes';
import { decode } from '../../src/messages/incoming/decode';
import { Health } from '../../src/observability/health';
import { makeMetrics } from '../../src/observability/metrics';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { ask } from '../http/ask';
import { silent, until, withBroker } from '../support/broker';

const broker = withBroker();
const NOW = Date.UTC(2026, 10, 1) / 1_000;
const signup = (email: string, more: object = {}) => ({
  ...{ event: 'newsletter.subscribe', ts: NOW, email, newsletters: ['x'] },
  ...more,
});
const JSON_BODY = { 'content-type': 'application/json' };
const KEYS = parseApiKeys('site write site-key\nauth write,vouch auth-key\nreader read reader-key');

describe('POST /events/newsletter', () => {
  let connection: BrokerConnection;
  let publisher: Publisher;
  const apps: FastifyInstance[] = [];
  const lines: string[] = [];
  const metrics = makeMetrics();
  let base: string;

  const serve = async (options: Partial<IntakeOptions> = {}, keys = KEYS): Promise<string> => {
    const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const intake = { publisher, metrics: makeMetrics(), log, accounts: null, ...options };
    const more = { log, keys: { value: keys }, health: new Health(), metrics: intake.metrics.registry };
    const app = makeServer({ contacts: null, routes: intakeRoutes(intake), ...more });
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const send = async (body: string, key = 'site-key', headers: Record<string, string> = {}, url = base) => {
    const authorization = key === '' ? {} : { authorization: `Bearer ${key}` };
    const {
      status,
      headers: sent,
      body: text,
    } = await ask(url, '/events/newsletter', {
      method: 'POST',
      headers: { ...JSON_BODY, ...authorization, ...headers },
      body,
    });
    return { status, headers: sent, body: text === '' ? {} : JSON.parse(text) };
  };
  const post = (message: unknown, key?: string, headers?: Record<string, string>) =>
    send(JSON.stringify(message), key, headers);
  const next = (): Promise<GetMessage> => broker().next(NEWSLETTER_QUEUE);
  const nextBody = async () => JSON.parse((await next()).content.toString());
  const counted = async (outcome: string) =>
    (await metrics.intakeRequests.get()).values.find(({ labels }) => labels.outcome === outcome)?.value;

  beforeAll(async () => {
    connection = await openConnection({ url: broker().url, name: 'intake', log: silent });
    publisher = new Publisher({ connection, log: silent });
    await until(() => publisher.open);
    base = await serve({ metrics });
  });
  beforeEach(() => broker().freshTopology());
  afterEach(async () => expect(await broker().ready(NEWSLETTER_QUEUE)).toBe(0));
  afterAll(async () => {
    for (const app of apps) await app.close();
    await publisher?.close();
    await connection?.close();
  });

  it('publishes a message as it was sent, and answers its id and time', async () => {
    const message = signup('Ada@mail.test', { id: 'form-7', lang: 'fr', unknown: { a: [1] } });
    const { status, body, headers } = await post(message);
    expect([status, body]).toEqual([202, { events: [{ id: 'form-7', ts: NOW }], warnings: [] }]);
    expect(headers['cache-control']).toBe('no-store');
    const { fields, properties, content } = await next();
    expect(JSON.parse(content.toString())).toEqual(message);
    expect(fields).toMatchObject({ exchange: 'newsletter.events', routingKey: 'newsletter.subscribe' });
    expect(properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      timestamp: expect.any(Number),
    });
  });

  it('publishes a list in its order, and answers an id for each', async () => {
    const list = ['a', 'b', 'c'].map((name) => signup(`${name}@mail.test`));
    const { status, body } = await post(list);
    expect([status, body.warnings, body.events.length]).toEqual([202, [], 3]);
    for (const [index, message] of list.entries()) {
      const { content, properties } = await next();
      expect(JSON.parse(content.toString())).toEqual(message);
      expect(properties.messageId).toBe(body.events[index].id);
    }
    expect(await post([])).toMatchObject({ status: 202, body: { events: [], warnings: [] } });
  });

  it('gives a message that comes alone the time of its arrival, never one of a list', async () => {
    const { ts: _, ...message } = signup('ada@mail.test');
    const before = Date.now() / 1_000;
    const { body } = await post(message);
    expect(body.events[0].ts).toBeGreaterThanOrEqual(before);
    expect(body.events[0].ts).toBeLessThanOrEqual(Date.now() / 1_000);
    expect((await nextBody()).ts).toBe(body.events[0].ts);
    const list = await post([message]);
    expect([list.status, list.body.problems]).toEqual([400, [{ place: '[0].ts', problem: 'is missing' }]]);
  });

  it('passes a trace on with each message, and never a malformed one', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await post([signup('a@mail.test'), signup('b@mail.test')], 'site-key', { traceparent, tracestate: 'site=1' });
    for (let n = 0; n < 2; n++)
      expect((await next()).properties.headers).toEqual({ traceparent, tracestate: 'site=1' });
    expect((await post(signup('a@mail.test'), 'site-key', { traceparent: 'made up' })).status).toBe(202);
    expect((await next()).properties.headers).toEqual({});
  });

  it('refuses a list as a whole if a message would be a dead letter, with every place and no value', async () => {
    const { status, body } = await post([
      signup('ada@mail.test'),
      signup('ada'),
      { ...signup('ben@mail.test'), event: 'newsletter.unsubscribe', newsletters: [] },
      { ...signup('ben@mail.test'), ts: 'yesterday' },
      { ...signup('ben@mail.test'), ts: 7 },
      { token: 'secret', event: 'newsletter.confirm', ts: NOW },
      { ...signup('ben@mail.test'), event: 'newsletter.praise' },
      { ...signup('ben@mail.test'), newsletters: [7, 'x'.repeat(101)] },
      'ada@mail.test',
      null,
      [],
    ]);
    expect(status).toBe(400);
    expect(body.problems.map(({ place }: { place: string }) => place)).toEqual([
      ...['[1].email', '[2].newsletters', '[3].ts', '[4].ts', '[5].token', '[6].event', '[7].newsletters[0]'],
      ...['[7].newsletters[1]', '[8]', '[9]', '[10]'],
    ]);
    expect(JSON.stringify(body)).not.toMatch(/ada|ben|secret|praise|yesterday/);
  });

  it('takes a message with a detail that cannot be used, or a part of a choice, and warns of its place', async () => {
    const sent = [
      signup('ada@mail.test', { lang: 7, country: 'atlantis', format: 1, id: 5 }),
      signup('ben@mail.test', { newsletters: ['x', 7] }),
    ];
    const { status, body } = await post(sent);
    expect(status).toBe(202);
    expect(body.warnings).toEqual([
      ...['country', 'lang', 'format', 'id'].map((name) => ({
        place: `[0].${name}`,
        problem: 'was left out: it cannot be used',
      })),
      { place: '[1].newsletters[1]', problem: 'must be a string' },
    ]);
    expect([await nextBody(), await nextBody()]).toEqual(sent);
  });

  it('drops optin without the scope vouch, and keeps it with the scope', async () => {
    const message = signup('ada@mail.test', { optin: true });
    const { status, body } = await post(message);
    expect([status, body.warnings]).toEqual([
      202,
      [{ place: 'optin', problem: 'was left out: the key lacks the scope vouch' }],
    ]);
    expect(await nextBody()).toEqual(signup('ada@mail.test'));
    expect((await post(message, 'auth-key')).body.warnings).toEqual([]);
    expect(await nextBody()).toEqual(message);
  });

  it('refuses a confirmation by address without the scope vouch; by token it proves nothing, and is taken', async () => {
    const confirm = { event: 'newsletter.confirm', ts: NOW, email: 'ada@mail.test' };
    const byToken = {
      event: 'newsletter.confirm',
      ts: NOW,
      token: '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11',
      optin: true,
    };
    const refused = await post([byToken, confirm, { ...confirm, token: byToken.token }]);
    expect([refused.status, refused.body.code]).toEqual([403, 7]);
    expect(refused.body.problems.map(({ place }: { place: string }) => place)).toEqual(['[1]', '[2]']);
    expect((await post(byToken)).status).toBe(202);
    expect(await nextBody()).not.toHaveProperty('optin');
    expect((await post(confirm, 'auth-key')).status).toBe(202);
    expect(await nextBody()).toEqual(confirm);
  });

  it('no key of this machine vouches while none is configured', async () => {
    const url = await serve({}, []);
    const confirm = { event: 'newsletter.confirm', email: 'ada@mail.test' };
    expect((await send(JSON.stringify(confirm), '', {}, url)).status).toBe(403);
    expect((await send(JSON.stringify(signup('ada@mail.test')), '', {}, url)).status).toBe(202);
    expect(await nextBody()).toEqual(signup('ada@mail.test'));
    expect((await send('{}', '', { host: 'site.test' }, url)).status).toBe(403);
  });

  it.each([
    ['no JSON', '{"event":', 400, 'The body is not JSON'],
    ['an empty body', '', 400, 'The body is not JSON'],
    ['a text', '"newsletter.subscribe"', 400, 'The body is malformed: see problems'],
    ['deep nesting', `{"a":${'['.repeat(90_000)}${']'.repeat(90_000)}}`, 400, 'The body is malformed: see problems'],
    ['a deep list', '['.repeat(90_000) + ']'.repeat(90_000), 400, 'The body is malformed: see problems'],
    ['501 messages', JSON.stringify(Array(501).fill(0)), 413, 'The list must have at most 500 messages'],
    ['too many bytes', `"${'x'.repeat(MAX_BODY_BYTES)}"`, 413, 'The body is too large'],
    [
      'a message that is too large',
      JSON.stringify({ ...signup('a@mail.test'), x: 'x'.repeat(262_144) }),
      400,
      undefined,
    ],
  ])('refuses %s, with the reason', async (_what, sent, status, desc) => {
    const answer = await send(sent);
    expect([answer.status, answer.body]).toMatchObject([status, { status: 'error', code: 5, ...(desc && { desc }) }]);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('refuses a body that is not UTF-8, and takes a byte order mark', async () => {
    const sendBytes = async (body: Buffer) =>
      (await fetch(`${base}/events/newsletter`, {
        method: 'POST',
        headers: { ...JSON_BODY, authorization: 'Bearer site-key' },
        body: new Uint8Array(body),
      })) as Response;
    const latin1 = await sendBytes(
      Buffer.from(JSON.stringify(signup('ada@mail.test', { first_name: 'Ad\u00e9' })), 'latin1'),
    );
    expect([latin1.status, ((await latin1.json()) as { desc: string }).desc]).toEqual([400, 'The body is not UTF-8']);
    expect((await sendBytes(Buffer.from(`\ufeff${JSON.stringify(signup('ada@mail.test'))}`))).status).toBe(202);
    await next();
  });

  it('refuses other types, encodings, keys and scopes before it reads the body', async () => {
    const text = JSON.stringify(signup('ada@mail.test'));
    expect((await send(text, 'site-key', { 'content-type': 'text/plain' })).status).toBe(415);
    const encoded = await send(text, 'site-key', { 'content-encoding': 'gzip' });
    expect([encoded.status, encoded.body.desc]).toEqual([415, 'The body must have no Content-Encoding']);
    expect((await send('{', 'wrong')).status).toBe(401);
    const reader = await send('{', 'reader-key');
    expect([reader.status, reader.body.desc]).toEqual([403, 'This API key lacks the scope write']);
  });

  it('keeps a number that JavaScript cannot hold from becoming null, which would clear a field', async () => {
    const text = `{"event":"newsletter.subscribe","ts":${NOW},"email":"ada@mail.test","lang":1e999,"newsletters":["x",1e999]}`;
    const { body } = await send(text);
    expect(body.warnings.map(({ place }: { place: string }) => place)).toEqual(['lang', 'newsletters[1]']);
    const { content } = await next();
    const decoded = decode('newsletter', content, { now: Date.now() });
    expect(decoded).toMatchObject({ kind: 'event', dropped: ['lang'], partial: ['newsletters.1: must be a string'] });
    expect(encode({ a: Number.NEGATIVE_INFINITY, b: 1 }).toString()).toBe('{"a":{},"b":1}');
  });

  it('answers with a bounded list of problems, however many messages are wrong', async () => {
    const { status, body } = await post(Array(500).fill({ event: 'newsletter.subscribe' }));
    expect([status, body.problems.length]).toEqual([400, 100]);
  });

  it('answers 503 with the times to send again while the broker is away, blocked, or has no queue for it', async () => {
    const away = { ready: false, publish: () => Promise.reject(new Error('not asked')) };
    const url = await serve({ publisher: away });
    const { status, headers, body } = await send(
      JSON.stringify({ ...signup('a@mail.test'), ts: undefined }),
      'site-key',
      {},
      url,
    );
    expect([status, headers['retry-after'], body.events]).toEqual([
      503,
      '2',
      [{ id: expect.any(String), ts: expect.any(Number) }],
    ]);

    await broker().deleteQueue(NEWSLETTER_QUEUE);
    const unroutable = await post(signup('ada@mail.test'));
    expect([unroutable.status, unroutable.body.events[0].ts]).toEqual([503, NOW]);
    await broker().freshTopology();
    expect((await post(signup('ada@mail.test'))).status).toBe(202);
    await next();
  });

  it('has a limit of requests, which counts before the body is read and until the work is done', async () => {
    let release = (): void => undefined;
    let published = 0;
    const held = new Promise<{ outcome: 'confirmed' }>((resolve) => {
      release = () => resolve({ outcome: 'confirmed' });
    });
    const slow = {
      ready: true,
      publish: () => {
        published += 1;
        return held;
      },
    };
    const url = await serve({ publisher: slow, maxRequests: 1 });
    const text = JSON.stringify(signup('ada@mail.test'));
    const leaving = new AbortController();
    const first = fetch(`${url}/events/newsletter`, {
      method: 'POST',
      headers: { ...JSON_BODY, authorization: 'Bearer site-key' },
      body: text,
      signal: leaving.signal,
    });
    await until(() => published === 1);
    const excess = await send('{', 'site-key', {}, url);
    expect([excess.status, excess.headers['retry-after']]).toEqual([503, '2']);
    const [{ desc }, statusAfter] = [excess.body, () => send(text, 'site-key', {}, url).then(({ status }) => status)];
    expect(desc).toBe('Too many requests at once: try again');
    leaving.abort();
    await expect(first).rejects.toThrow();
    expect(await statusAfter()).toBe(503);
    release();
    await until(async () => (await statusAfter()) === 202);

    // A client that leaves in the middle of its body gives its place back.
    const { port } = new URL(url);
    const half = connect(Number(port), '127.0.0.1');
    half.write(
      'POST /events/newsletter HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer site-key\r\nContent-Type: application/json\r\n' +
        'Content-Length: 1000\r\n\r\n{',
    );
    await until(async () => (await statusAfter()) === 503);
    half.destroy();
    await until(async () => (await statusAfter()) === 202);
  });

  it('counts requests by outcome, and leaves no address in any log line or metric', async () => {
    for (const outcome of ['published', 'malformed', 'forbidden', 'unavailable']) {
      expect([outcome, await counted(outcome)]).toEqual([outcome, expect.any(Number)]);
    }
    expect(await counted('published')).toBeGreaterThan(0);
    const text = await metrics.registry.metrics();
    expect(text).toContain('route="/events/newsletter"');
    expect(text + lines.join('')).not.toMatch(/mail\.test/);
    expect(lines.join('')).toContain('messages of a request were not published');
  });
});
