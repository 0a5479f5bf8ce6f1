import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { Health } from '../../src/http/dockerflow';
import { makeServer } from '../../src/http/server';
import { type Database, openDatabase } from '../../src/store/database';
import { type AskOptions, ask } from './ask';

/** Nothing listens there: every statement fails. */
const NOWHERE = 'postgresql://somebody:top-secret@127.0.0.1:1/nowhere';
const VERSION = { source: 'https://repo.test', version: '1.2.3', commit: 'abc', build: '7' };
const NOT_FOUND = '{"status":"error","code":4,"desc":"User not found"}';

const JSON_BODY = { 'content-type': 'application/json' };

const fine: Health = { database: async () => undefined, broker: async () => undefined };

describe('the HTTP server', () => {
  let db: Database;
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
  const apps: FastifyInstance[] = [];
  const server = async (options: { apiKey?: string | null; health?: Health } = {}) => {
    const { apiKey = null, health = fine } = options;
    const app = makeServer({ db, log, apiKey, health, version: VERSION, metrics: new Registry() });
    apps.push(app);
    const base = await app.listen({ host: '127.0.0.1', port: 0 });
    return (path: string, asked?: AskOptions) => ask(base, path, asked);
  };

  beforeAll(() => {
    db = openDatabase({ url: NOWHERE, name: 'test', max: 1 });
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await db.$disconnect();
  });

  const malformed = [
    '/contacts/by-token/not-a-token',
    '/contacts/by-token/0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e1',
    '/contacts/by-token/0d3e5b526d0e4f0e8a552a2f5f0c7e11',
    "/contacts/by-token/';DROP%20TABLE%20contact;--",
    '/contacts/by-email/nobody',
    '/contacts/by-email/a@b@c.test',
    '/contacts/by-email/null%40mail.test',
    `/contacts/by-email/${'x'.repeat(300)}@mail.test`,
    `/contacts/by-email/${'x'.repeat(3000)}@mail.test`,
    '/contacts/by-email/%00%40mail.test',
    '/contacts/by-email/%zz@mail.test',
    '/contacts/by-email/',
    '/contacts/by-account/123',
    '/contacts/by-account/9f3c1a7be2d84c06b5a1e0774cd2f8aa%40accounts.test',
    '/contacts/some-id',
    '/contacts/some-id/history',
    '/contacts/',
    '/contacts',
    '/contacts/by-colour/red',
  ];
  it.each(malformed.map((url) => ({ url, shown: url.slice(0, 70) })))(
    'answers a key that cannot be one as an unknown one: $shown',
    async ({ url }) => {
      const answer = await (await server())(url);
      expect([answer.status, answer.body]).toEqual([404, NOT_FOUND]);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    },
  );

  it('asks for the API key in constant style, whatever is wrong with what was sent', async () => {
    const get = await server({ apiKey: 'the-right-key' });
    const url = '/contacts/by-token/not-a-token';
    for (const authorization of [
      undefined,
      '',
      'the-right-key',
      'Bearer',
      'Bearer the-wrong-key',
      'Basic dGhlLXJpZ2h0LWtleQ==',
    ]) {
      const answer = await get(url, { headers: authorization === undefined ? {} : { authorization } });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="onecontact"']);
      expect(answer.body).not.toContain('User not found');
    }
    for (const authorization of ['Bearer the-right-key', 'bearer the-right-key']) {
      expect((await get(url, { headers: { authorization } })).status).toBe(404);
    }
    expect((await get('/contacts/by-colour/red')).status).toBe(401);
  });

  it('leaves health, version and metrics open to those without the key', async () => {
    const get = await server({ apiKey: 'the-right-key' });
    for (const url of ['/__heartbeat__', '/__lbheartbeat__', '/__version__', '/metrics']) {
      expect((await get(url)).status).toBe(200);
    }
    expect(JSON.parse((await get('/__version__')).body)).toEqual(VERSION);
  });

  it('is read-only: every other method and page is not found', async () => {
    const get = await server();
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await get('/contacts/by-email/a@mail.test', { method, headers: JSON_BODY, body: '{"email":"x"}' });
      expect(answer.status).toBe(404);
    }
    const big = await get('/', { method: 'POST', headers: JSON_BODY, body: JSON.stringify('x'.repeat(5_000)) });
    expect([big.status, JSON.parse(big.body)]).toEqual([404, { status: 'error', code: 5, desc: 'Not found' }]);
    expect((await get('/admin')).status).toBe(404);
  });

  it('says in the heartbeat which dependency fails, and no more', async () => {
    const failure = Object.assign(new Error('password "top-secret" of ada@mail.test'), { code: 'ECONNREFUSED' });
    const health: Health = { database: async () => undefined, broker: () => Promise.reject(failure) };
    const answer = await (await server({ health }))('/__heartbeat__');
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body)).toEqual({
      status: 'error',
      checks: { database: 'ok', broker: 'error' },
      details: {
        broker: { status: 'error', level: 40, messages: { 'onecontact.broker': 'cannot be used: ECONNREFUSED' } },
      },
    });
    const good = await (await server())('/__heartbeat__');
    expect([good.status, JSON.parse(good.body)]).toEqual([
      200,
      { status: 'ok', checks: { database: 'ok', broker: 'ok' }, details: {} },
    ]);
  });

  it('answers a failure without details, and logs neither the address nor the database', async () => {
    const get = await server();
    for (const key of ['ada@mail.test', 'ada%40mail.test']) {
      const answer = await get(`/contacts/by-email/${key}`);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        500,
        { status: 'error', code: 99, desc: 'Something went wrong here' },
      ]);
    }
    expect(lines.some((line) => line.includes('/contacts/by-email/:key'))).toBe(true);
    expect(lines.join('')).not.toMatch(/ada|mail\.test|top-secret|nowhere/);
    expect((await get('/metrics')).body).not.toMatch(/ada|mail\.test/);
  });
});
