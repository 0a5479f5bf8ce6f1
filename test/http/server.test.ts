import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { makeServer, type ServerOptions } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { type Database, openDatabase } from '../../src/postgres/database';
import { type AskOptions, ask } from './ask';

/** No server listens here, so every statement fails. */
const NOWHERE = 'postgresql://somebody:top-secret@127.0.0.1:1/nowhere';
const VERSION = { source: 'https://repo.test', version: '1.2.3', commit: 'abc', build: '7' };
const NOT_FOUND = '{"status":"error","code":4,"desc":"User not found"}';

const BUSY = { status: 'error', code: 99, desc: 'Too busy, or the database is away: try again' };
const KEYS = { value: parseApiKeys('site read the-right-key\nwriter write the-writers-key') };
const JSON_BODY = { 'content-type': 'application/json' };

describe('the HTTP server', () => {
  let db: Database;
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
  const apps: FastifyInstance[] = [];
  const listen = async (options: Partial<ServerOptions> = {}): Promise<string> => {
    const more = { health: new Health(), version: VERSION, metrics: new Registry(), ...options };
    const app = makeServer({ contacts: { db, historyDb: db }, log, keys: { value: [] }, ...more });
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const server = async (options: Partial<ServerOptions> = {}) => {
    const base = await listen(options);
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
    'answers a malformed key like an unknown one: $shown',
    async ({ url }) => {
      const answer = await (await server())(url);
      const { date: _date, ...others } = answer.headers;
      expect({ status: answer.status, body: answer.body, others }).toEqual({
        status: 404,
        body: NOT_FOUND,
        others: {
          'cache-control': 'no-store',
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(NOT_FOUND.length),
          connection: 'close',
        },
      });
      // Without the API key, even this is not revealed.
      expect((await (await server({ keys: KEYS }))(url)).status).toBe(401);
    },
  );

  it('answers 401 for every missing, malformed or wrong API key', async () => {
    const get = await server({ keys: KEYS });
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
    // An undecodable path reaches no route.
    for (const path of [url, '/contacts/by-colour/red', '/contacts/by-email/%zz@mail.test']) {
      expect((await get(path, { headers: { authorization: 'Bearer the-writers-key' } })).status).toBe(403);
    }
  });

  it('answers health, version and metrics without the API key', async () => {
    const get = await server({ keys: KEYS });
    for (const url of ['/__heartbeat__', '/__lbheartbeat__', '/__version__', '/metrics']) {
      expect((await get(url)).status).toBe(200);
    }
    expect(JSON.parse((await get('/__version__')).body)).toEqual(VERSION);
  });

  it('says at / what it is and where to look, and what it links to answers', async () => {
    const get = await server({ keys: KEYS });
    const page = JSON.parse((await get('/')).body);
    expect(page).toMatchObject({ name: 'OneContact', version: VERSION.version });
    const served = Object.values<string>(page.links).filter((link) => link.startsWith('/'));
    for (const link of served) expect((await get(link)).status).toBe(200);
    for (const file of [page.links.reference, page.links.openapi]) expect(existsSync(file)).toBe(true);
  });

  it('closes although a client keeps a connection that it has never used', async () => {
    const app = makeServer({
      ...{ contacts: { db, historyDb: db }, log, keys: { value: [] }, health: new Health(), metrics: new Registry() },
    });
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    const accepted = once(app.server, 'connection');
    const unused = connect(Number(port), '127.0.0.1');
    await accepted;
    const closed = once(unused, 'close');
    await app.close();
    await closed;
  });

  it('answers 404 for every other method and page', async () => {
    const get = await server();
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await get('/contacts/by-email/a@mail.test', { method, headers: JSON_BODY, body: '{"email":"x"}' });
      expect(answer.status).toBe(404);
    }
    const big = await get('/', { method: 'POST', headers: JSON_BODY, body: JSON.stringify('x'.repeat(5_000)) });
    expect([big.status, JSON.parse(big.body)]).toEqual([404, { status: 'error', code: 5, desc: 'Not found' }]);
    expect((await get('/admin')).status).toBe(404);
  });

  it('answers 500 while any part has a problem, and 200 with a warning for a hint, in the format of Dockerflow', async () => {
    let problems = ['The broker blocks publishing.', 'Free its memory.'];
    let hints: string[] = [];
    const health = new Health();
    health.watch('database', { problems: async () => [] });
    health.watch('publishing', { problems: () => problems, hints: () => hints });
    const get = await server({ health });
    const answer = await get('/__heartbeat__');
    expect([answer.status, answer.headers['cache-control']]).toEqual([500, 'no-store']);
    expect(JSON.parse(answer.body)).toEqual({
      status: 'error',
      checks: { database: 'ok', publishing: 'error' },
      details: {
        publishing: {
          status: 'error',
          level: 40,
          messages: { 'onecontact.publishing': 'The broker blocks publishing. Free its memory.' },
        },
      },
    });
    problems = [];
    const good = await get('/__heartbeat__');
    expect([good.status, JSON.parse(good.body)]).toEqual([
      200,
      { status: 'ok', checks: { database: 'ok', publishing: 'ok' }, details: {} },
    ]);
    hints = ['A queue was missing.'];
    const warned = await get('/__heartbeat__');
    expect([warned.status, JSON.parse(warned.body)]).toEqual([
      200,
      {
        status: 'warning',
        checks: { database: 'ok', publishing: 'warning' },
        details: {
          publishing: { status: 'warning', level: 30, messages: { 'onecontact.publishing': 'A queue was missing.' } },
        },
      },
    ]);
  });

  it('answers 404 for look-ups in a process that does not offer them', async () => {
    const get = await server({ contacts: null });
    for (const path of ['/contacts/by-email/ada@mail.test', '/contacts/%zz', `/contacts/${randomUUID()}/history`]) {
      const answer = await get(path);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([404, { status: 'error', code: 5, desc: 'Not found' }]);
    }
  });

  it('answers 503 while the database is away, and logs neither the address nor the database', async () => {
    const get = await server();
    for (const key of ['ada@mail.test', 'ada%40mail.test']) {
      const answer = await get(`/contacts/by-email/${key}`);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([503, BUSY]);
      expect(answer.headers).toMatchObject({ 'retry-after': '2', 'cache-control': 'no-store' });
    }
    expect(lines.some((line) => line.includes('/contacts/by-email/:key'))).toBe(true);
    expect(lines.join('')).not.toMatch(/ada|mail\.test|top-secret|nowhere/);
    expect((await get('/metrics')).body).not.toMatch(/ada|mail\.test/);
  });

  it('answers 431 for oversized headers and paths', async () => {
    const get = await server();
    const large = { 'x-large': 'x'.repeat(10_000) };
    expect((await get('/__lbheartbeat__', { headers: large })).status).toBe(431);
    expect((await get(`/contacts/by-email/${'x'.repeat(10_000)}@mail.test`)).status).toBe(431);
    expect((await get('/__lbheartbeat__', { headers: { 'x-small': 'x'.repeat(1_000) } })).status).toBe(200);
  });

  it('bounds the number of open connections', async () => {
    await listen();
    const maxConnections = apps.at(-1)?.server.maxConnections;
    expect(maxConnections).toBeGreaterThanOrEqual(100);
    expect(maxConnections).toBeLessThanOrEqual(10_000);
  });
});
