/** Security Event Tokens over HTTP, published to a real broker. Keys are made here, and a server on this machine has them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { makeServer } from '../../src/http/server';
import { MAX_TOKEN_BYTES } from '../../src/intake/account';
import { IssuerKeys } from '../../src/intake/issuer-keys';
import { type IntakeOptions, intakeRoutes } from '../../src/intake/routes';
import { decode } from '../../src/messages/incoming/decode';
import { Health } from '../../src/observability/health';
import { makeMetrics } from '../../src/observability/metrics';
import { type BrokerConnection, openConnection } from '../../src/rabbitmq/connection';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { AUDIENCE, claimsOf, ISSUER, type Issuer, startIssuer, TYPE } from '../../tools/issuer';
import { ask } from '../http/ask';
import { silent, until, withBroker } from '../support/broker';
import { uidOf } from '../support/events';

const broker = withBroker();
const EXPECTED = { issuer: ISSUER, audience: AUDIENCE };
const SET = { 'content-type': 'application/secevent+jwt' };
const refused = (err: string, description: string) => ({ status: 400, err, description, language: 'en' });
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('POST /events/account', () => {
  let issuer: Issuer;
  let connection: BrokerConnection;
  let publisher: Publisher;
  const apps: FastifyInstance[] = [];
  const lines: string[] = [];
  const metrics = makeMetrics();
  let base: string;

  const log = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
  const serve = async (options: Partial<IntakeOptions> = {}): Promise<string> => {
    const accounts = { expected: EXPECTED, keys: new IssuerKeys({ url: issuer.url, log }) };
    const intake = { publisher, metrics: makeMetrics(), log, accounts, ...options };
    const more = { log, keys: { value: [] }, health: new Health(), metrics: intake.metrics.registry };
    const app = makeServer({ contacts: null, routes: intakeRoutes(intake), ...more });
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const send = async (body: string, headers: Record<string, string> = SET, url = base) => {
    const answer = await ask(url, '/events/account', { method: 'POST', headers, body });
    return { ...answer, json: answer.body === '' ? null : JSON.parse(answer.body) };
  };
  const next = async () => {
    const { fields, properties, content } = await broker().next(FXA_QUEUE);
    return { fields, properties, content, body: JSON.parse(content.toString()) };
  };
  /** The refusal of a token, as RFC 8935 has it. */
  const refusal = async (token: string) => {
    const { status, json, headers } = await send(token);
    return { status, ...json, language: headers['content-language'] };
  };

  beforeAll(async () => {
    issuer = await startIssuer();
    await issuer.addKey('k1');
    await issuer.addKey('e1', { alg: 'ES256' });
    await issuer.addKey('own', { published: false });
    connection = await openConnection({ url: broker().url, name: 'intake', log: silent });
    publisher = new Publisher({ connection, log: silent });
    await until(() => publisher.open);
    base = await serve({ metrics });
  });
  beforeEach(() => broker().freshTopology());
  // Whatever a test does not take from the queue itself, must not have reached the broker.
  afterEach(async () => {
    expect([await broker().ready(FXA_QUEUE), await broker().ready(NEWSLETTER_QUEUE)]).toEqual([0, 0]);
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await publisher?.close();
    await connection?.close();
    await issuer?.close();
  });

  it.each(['k1', 'e1'])(
    'takes a token in the body with 202, and without one as a bearer with 200 (key %s)',
    async (kid) => {
      const token = await issuer.sign(claimsOf(), { kid });
      const pushed = await send(token);
      expect([pushed.status, pushed.body]).toEqual([202, '']);
      const first = await next();
      for (const more of [{}, { 'content-type': 'application/json' }]) {
        const sent = await send('', { authorization: `Bearer ${token}`, ...more });
        expect([sent.status, sent.body]).toEqual([200, '']);
        expect((await next()).body).toEqual(first.body);
      }
      expect(first.fields).toMatchObject({ exchange: 'fxa.events', routingKey: 'profile-change' });
      expect(first.properties).toMatchObject({ contentType: 'application/json', deliveryMode: 2 });
    },
  );

  it('publishes what the account stream has: the same event, its id the jti and its time the iat', async () => {
    const claims = claimsOf();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await send(await issuer.sign(claims, { typ: 'secevent+jwt' }), { ...SET, traceparent });
    const { content, properties } = await next();
    expect(properties.headers).toEqual({ traceparent });
    expect(decode('fxa', content, { now: Date.now() })).toMatchObject({
      kind: 'event',
      event: {
        kind: 'claim',
        uid: uidOf('u1'),
        address: { key: 'ada@mail.test' },
        at: Math.round((claims.iat as number) * 1_000),
        trigger: { source: 'fxa', event: 'profile-change', id: claims.jti },
      },
    });
    await send(await issuer.sign(claimsOf({ [`${TYPE}delete-user`]: {} })));
    expect(decode('fxa', (await next()).content, { now: Date.now() })).toMatchObject({
      event: { kind: 'deletion', uid: uidOf('u1') },
    });
  });

  it('takes an event that does not concern contacts, and publishes nothing', async () => {
    const events = [`${TYPE}password-change`, `${TYPE}profile-change`, 'https://other.test/event'];
    for (const type of events) expect((await send(await issuer.sign(claimsOf({ [type]: {} })))).status).toBe(202);
  });

  it('publishes the same token again when it is replayed', async () => {
    const token = await issuer.sign();
    for (let n = 0; n < 2; n++) expect((await send(token)).status).toBe(202);
    expect((await next()).body).toEqual((await next()).body);
  });

  it('refuses a token that is not signed, or not by the key that it names', async () => {
    const [header, payload, signature] = (await issuer.sign()).split('.') as [string, string, string];
    const unsigned = `${encoded({ alg: 'none' })}.${payload}.`;
    expect(await refusal(unsigned)).toEqual(refused('invalid_key', 'alg: must be one of RS256, ES256'));
    const wrong = refused('authentication_failed', 'the signature is not that of the key');
    expect(await refusal(`${header}.${encoded(claimsOf())}.${signature}`)).toEqual(wrong);
    const [, ...rest] = (await issuer.sign(claimsOf(), { kid: 'own' })).split('.');
    expect(await refusal([header, ...rest].join('.'))).toEqual(wrong);
  });

  it('refuses other algorithms, also the public key as a shared secret', async () => {
    const payload = (await issuer.sign()).split('.')[1];
    for (const alg of ['HS256', 'PS256', 'RS512', 'EdDSA']) {
      expect(await refusal(`${encoded({ alg, kid: 'k1' })}.${payload}.c2ln`)).toMatchObject({
        status: 400,
        err: 'invalid_key',
      });
    }
  });

  it('compares issuer and audience exactly', async () => {
    const with_ = async (more: object) => refusal(await issuer.sign({ ...claimsOf(), ...more }));
    for (const iss of [`${ISSUER}/`, ISSUER.toUpperCase(), 'https://accounts.test.evil.test', undefined]) {
      expect(await with_({ iss })).toMatchObject({ status: 400, err: 'invalid_issuer' });
    }
    for (const aud of ['another', `${AUDIENCE} `, [], undefined]) {
      expect(await with_({ aud })).toMatchObject({ status: 400, err: 'invalid_audience' });
    }
    expect((await send(await issuer.sign({ ...claimsOf(), aud: ['another', AUDIENCE] }))).status).toBe(202);
    await next();
  });

  it('refuses tokens that are expired, not yet valid or from the future, and takes an old one', async () => {
    const now = Date.now() / 1_000;
    const with_ = async (more: object) => refusal(await issuer.sign({ ...claimsOf(), ...more }));
    expect(await with_({ exp: now - 120 })).toEqual(refused('invalid_request', 'exp: the token has expired'));
    expect(await with_({ nbf: now + 120 })).toEqual(refused('invalid_request', 'nbf: is not valid'));
    expect(await with_({ iat: now + 90_000 })).toEqual(refused('invalid_request', 'iat: is more than a day ahead'));
    expect((await send(await issuer.sign({ ...claimsOf(), exp: now - 30 }))).status).toBe(202);
    expect((await send(await issuer.sign({ ...claimsOf(), iat: now - 90 * 86_400 }))).status).toBe(202);
    expect([(await next()).body.exp, (await next()).body.jti]).toEqual([undefined, expect.any(String)]);
  });

  it.each<[string, object, string]>([
    ['no iat', { iat: undefined }, 'iat: is missing'],
    ['no jti', { jti: undefined }, 'jti: is missing'],
    ['a jti that is not text', { jti: { toString: 1 } }, 'jti: must be a text'],
    ['an iat that is not a time', { iat: 'today' }, 'iat: is not valid'],
    ['no events, as an ID token', { events: undefined }, 'events: must be an object'],
    ['events that are a list', { events: [] }, 'events: must be an object'],
    ['no event at all', { events: {} }, 'events: names no event type'],
    ['no account', { sub: undefined }, 'sub: is missing'],
    ['a malformed account', { sub: 'ada' }, 'sub: must be 32 hexadecimal digits'],
    [
      'another account in the event',
      { events: { [`${TYPE}profile-change`]: { uid: uidOf('u2'), email: 'a@b.test' } } },
      'uid: is not the sub of the token',
    ],
    ['an impossible address', { events: { [`${TYPE}profile-change`]: { email: 'ada' } } }, 'email: has no @'],
  ])('refuses a token with %s', async (_what, claims, description) => {
    const answer = await refusal(await issuer.sign({ ...claimsOf(), ...claims }));
    expect(answer).toEqual(refused('invalid_request', description));
  });

  it('refuses a signed token of another kind', async () => {
    expect(await refusal(await issuer.sign(claimsOf(), { typ: 'at+jwt' }))).toEqual(
      refused('invalid_request', 'typ: must be secevent+jwt'),
    );
  });

  it('refuses deep nesting, text that is not a token, and a token in the other form', async () => {
    const deep = JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`);
    expect(await refusal(await issuer.sign(claimsOf({ [`${TYPE}profile-change`]: { email: deep } })))).toMatchObject({
      status: 400,
      err: 'invalid_request',
    });
    for (const text of ['', 'x', 'a.b.c', '\u00e9.\u00e9.\u00e9', `{"token":"x"}`]) {
      expect(await refusal(text)).toEqual(refused('invalid_request', 'the token is not a signed JSON Web Token'));
    }
    const token = await issuer.sign();
    for (const headers of [{}, { 'content-type': 'application/json' }, { 'content-type': 'text/plain' }]) {
      expect((await send(token, headers as Record<string, string>)).status).toBe(415);
    }
    expect((await send(token, { 'content-type': 'text/plain', authorization: `Bearer ${token}` })).status).toBe(415);
    expect((await send('', {})).status).toBe(415);
    expect((await send(token, { ...SET, 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await send('x'.repeat(MAX_TOKEN_BYTES + 1))).status).toBe(413);
  });

  it('accepts a new key of the issuer at once, and refuses a key that the issuer does not have', async () => {
    await issuer.addKey('k2');
    const url = await serve();
    const signed = await issuer.sign(claimsOf(), { kid: 'k2' });
    expect((await send(signed, SET, url)).status).toBe(202);
    await next();
    const unknown = await send(await issuer.sign(claimsOf(), { kid: 'own' }), SET, await serve());
    expect([unknown.status, unknown.json]).toEqual([
      400,
      { err: 'invalid_key', description: 'kid: the issuer has no such key' },
    ]);
  });

  it('answers 503 while the keys or the broker are away, so that the token is sent again', async () => {
    issuer.answers((_request, response) => void response.writeHead(500).end());
    const token = await issuer.sign();
    const keysAway = await send(token, SET, await serve());
    expect([keysAway.status, keysAway.headers['retry-after']]).toEqual([503, '10']);
    issuer.answers();
    const away = { ready: false, publish: () => Promise.reject(new Error('not asked')) };
    const brokerAway = await send(token, SET, await serve({ publisher: away }));
    expect([brokerAway.status, brokerAway.headers['retry-after']]).toEqual([503, '2']);
  });

  it('is not offered where no account provider is configured', async () => {
    expect((await send(await issuer.sign(), SET, await serve({ accounts: null }))).status).toBe(404);
  });

  it('counts tokens by outcome, and leaves nothing of them in any log line or metric', async () => {
    const text = await metrics.registry.metrics();
    for (const outcome of [
      'published',
      'ignored',
      'invalid_request',
      'invalid_key',
      'invalid_issuer',
      'invalid_audience',
    ]) {
      expect(text).toMatch(new RegExp(`intake_requests_total\\{route="/events/account",outcome="${outcome}"\\} [1-9]`));
    }
    expect(text + lines.join('')).not.toMatch(/mail\.test|eyJ|7531/);
  });
});
