/** Preferences for a reader whom only a token identifies, on PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { makeServer, type ServerOptions } from '../../src/http/server';
import { preferencesBody } from '../../src/messages/http/preferences-body';
import { Health } from '../../src/observability/health';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, optout, signup, unsub } from '../support/events';
import { gate } from '../support/gate';
import { apply } from '../support/stored';
import { ask } from './ask';
import { failLookUps } from './fail-look-ups';

const NOT_FOUND = '{"status":"error","code":4,"desc":"User not found"}';

describe('preferences by token', () => {
  let data: TestDatabase;
  const apps: FastifyInstance[] = [];
  const lines: string[] = [];
  let base: string;
  const serve = async (options: Partial<ServerOptions> = {}): Promise<string> => {
    const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const [contacts, preferences] = [{ db: data.db, historyDb: data.db }, { db: data.db }];
    // Keys are required elsewhere, and none is sent here.
    const keys = { value: parseApiKeys('site read the-key') };
    const more = { contacts, preferences, log, keys, health: new Health(), metrics: new Registry(), ...options };
    const app = makeServer(more);
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const get = (token: string, url = base, headers: Record<string, string> = {}) =>
    ask(url, `/preferences/${token}`, { headers });
  const found = async (name: string) => {
    const contact = await findContact(data.db, { by: 'email', address: addressOf(name).key });
    if (!contact) throw new Error(`no contact has ${name}`);
    return contact;
  };

  beforeAll(async () => {
    data = await freshDatabase();
    base = await serve();
    const profile = { firstName: 'Ada', lastName: 'L', lang: 'fr', country: 'fr', format: 'H' };
    await apply(data.db, acct('u1', 'Ada.L@Mail.test', 1), signup('Ada.L@Mail.test', ['x', 'y'], 2, { profile }));
    await apply(data.db, unsub('Ada.L@Mail.test', ['y'], 3));
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await data?.drop();
  });

  it('answers a live token without a key: newsletters, language, country, format, the masked address, nothing else', async () => {
    const { token } = await found('Ada.L@Mail.test');
    const { status, headers, body } = await get(token.toUpperCase());
    expect([status, JSON.parse(body)]).toEqual([
      200,
      {
        email: 'A***@M***.test',
        newsletters: { x: { state: 'subscribed', pending: false }, y: { state: 'unsubscribed', pending: false } },
        lang: 'fr',
        country: 'fr',
        format: 'H',
      },
    ]);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
  });

  it('answers every other text like an unknown token: ids, retired tokens, malformed ones', async () => {
    await apply(data.db, signup('second', ['z'], 4));
    const [account, reader] = [await found('Ada.L@Mail.test'), await found('second')];
    await apply(data.db, acct('u1', 'second', 5));
    expect((await get(reader.token)).status).toBe(200);
    const others = [account.token, account.id, reader.id, randomUUID(), 'rubbish', 'ada@mail.test', '%zz', '%00', ''];
    for (const text of others) {
      const { status, headers, body } = await get(text);
      expect([text, status, body, headers['cache-control']]).toEqual([text, 404, NOT_FOUND, 'no-store']);
    }
  });

  it('tells a subscription that waits for its confirmation', async () => {
    await apply(data.db, signup('waits', ['x'], 1), optout('waits', 2), signup('waits', ['x'], 3));
    const { token } = await found('waits');
    expect(JSON.parse((await get(token)).body).newsletters).toEqual({ x: { state: 'unsubscribed', pending: true } });
  });

  it('is not there unless it was asked for', async () => {
    const { token } = await found('waits');
    const answer = await get(token, await serve({ preferences: null }));
    expect([answer.status, JSON.parse(answer.body).desc]).toEqual([404, 'Not found']);
  });

  it('limits each client behind a trusted proxy, whatever it writes into its own headers', async () => {
    const { token } = await found('waits');
    const url = await serve({ trustedProxies: ['loopback'], preferencesPerMinute: 2 });
    const from = async (client: string) => (await get(token, url, { 'x-forwarded-for': client })).status;
    expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('198.51.100.9, 192.0.2.1')]).toEqual([
      200, 200, 429,
    ]);
    expect(await from('192.0.2.2')).toBe(200);
    const refused = await get(token, url, { 'x-forwarded-for': '192.0.2.1' });
    expect([JSON.parse(refused.body).desc, Number(refused.headers['retry-after']) > 0]).toEqual([
      'Too many requests from this address: try again later',
      true,
    ]);
    // The addresses of one network of 64 bits belong to one client.
    expect([await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8::3')]).toEqual([200, 200, 429]);
    expect((await ask(url, '/__lbheartbeat__')).status).toBe(200);
  });

  it('believes no header without a trusted proxy, and limits nothing then: the proxy in front must', async () => {
    const { token } = await found('waits');
    const url = await serve({ preferencesPerMinute: 1 });
    for (let i = 0; i < 3; i++) expect((await get(token, url, { 'x-forwarded-for': '192.0.2.1' })).status).toBe(200);
  });

  it('answers excess concurrent requests 503, and look-ups go on', async () => {
    const url = await serve({ maxPreferences: 2 });
    const open = await gate(data, 'LOCK TABLE basket_token IN ACCESS EXCLUSIVE MODE');
    const answers = Array.from({ length: 3 }, () => get(randomUUID(), url));
    try {
      // The others cannot be answered yet.
      expect((await Promise.race(answers)).status).toBe(503);
      const headers = { authorization: 'Bearer the-key' };
      expect((await ask(url, '/contacts/by-email/new@mail.test', { headers })).status).toBe(404);
    } finally {
      await open();
    }
    expect((await Promise.all(answers)).map(({ status }) => status).sort()).toEqual([404, 404, 503]);
  });

  it('names only the route in logs and metrics', async () => {
    const { token } = await found('waits');
    const url = await serve();
    await failLookUps(data);
    expect((await get(token, url)).status).toBe(500);
    expect(lines.filter((line) => line.includes('/preferences/:token'))).toHaveLength(1);
    expect(lines.join('')).not.toMatch(/ada|mail\.test|[0-9a-f]{8}-[0-9a-f]{4}/i);
    const metrics = (await ask(url, '/metrics')).body;
    expect(metrics).toContain('route="/preferences/:token"');
    expect(metrics).not.toContain(token);
  });
});

describe('a masked address', () => {
  it.each([
    ['a@mail.test', 'a***@m***.test'],
    ['Ada.Lovelace@news.mail.test', 'A***@n***.test'],
    ['ada@bücher.test', 'a***@b***.test'],
    ['ada@ελλάδα', 'a***@ε***'],
  ])('shows the first letters and the last part of the domain: %s', (primaryAsTyped, email) => {
    const view = { newsletters: new Map(), profile: {} };
    expect(preferencesBody({ view, primaryAsTyped } as never).email).toBe(email);
  });
});
