import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { makeServer, type ServerOptions } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, signup, uidOf, unsub } from '../support/events';
import { gate } from '../support/gate';
import { apply as applyTo } from '../support/stored';
import { type Answer, ask } from './ask';
import { failLookUps } from './fail-look-ups';

const BUSY = '{"status":"error","code":99,"desc":"Too busy, or the database is away: try again"}';
const NOT_FOUND = '{"status":"error","code":4,"desc":"User not found"}';
/** Of a newsletter whose latest choice said nothing besides. */
const NO_DETAILS = { pending: false, source: null, lang: null, format: null, reason: null, fields: null };

describe('a look-up over HTTP', () => {
  let data: TestDatabase;
  const apps: FastifyInstance[] = [];
  let base: string;
  const lines: string[] = [];
  const serve = async (options: Partial<ServerOptions> = {}): Promise<string> => {
    const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const contacts = { db: data.db, historyDb: data.db };
    const more = { health: new Health(), metrics: new Registry(), ...options };
    const app = makeServer({ contacts, log, keys: { value: [] }, ...more });
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const get = (path: string) => ask(base, path);
  const contact = async (path: string) => JSON.parse((await get(path)).body);

  beforeAll(async () => {
    data = await freshDatabase();
    base = await serve();
    const names = { firstName: 'Ada', lastName: null };
    for (const event of [
      acct('u1', 'ada', 1),
      signup('Ada2@Mail.test', ['privacy-weekly', 'hacks'], 2, {
        profile: { ...names, lang: 'fr', country: 'fr', format: 'H' },
      }),
      unsub('Ada2@Mail.test', ['hacks'], 3),
    ]) {
      await apply(event);
    }
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await data?.drop();
  });
  const apply = (...events: ContactEvent[]) => applyTo(data.db, ...events);

  it('answers the contact view for every kind of key', async () => {
    const found = await contact('/contacts/by-email/ada2%40mail.test');
    expect(found).toEqual({
      contact_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      account_id: null,
      primary_email: 'Ada2@Mail.test',
      basket_token: expect.stringMatching(/^[0-9a-f-]{36}$/),
      version: expect.any(Number),
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
      emails: [{ address: 'Ada2@Mail.test', primary: true, verified: false }],
      addresses: ['ada2@mail.test'],
      first_name: 'Ada',
      last_name: null,
      country: 'fr',
      lang: 'fr',
      format: 'H',
      opted_out: false,
      opted_out_at: null,
      opt_out_reason: null,
      double_opt_in: false,
      mailable: false,
      account_profile: null,
      newsletters: {
        hacks: { ...NO_DETAILS, state: 'unsubscribed', since: new Date(at(3)).toISOString() },
        'privacy-weekly': {
          ...NO_DETAILS,
          state: 'subscribed',
          since: new Date(at(2)).toISOString(),
          lang: 'fr',
          format: 'H',
        },
      },
    });
    for (const path of [
      '/contacts/by-email/ada2@mail.test',
      '/contacts/by-email/ADA2@Mail.Test',
      '/contacts/by-email/%20ada2%40mail.test%20',
      `/contacts/by-token/${found.basket_token}`,
      `/contacts/by-token/${found.basket_token.toUpperCase()}`,
      `/contacts/${found.contact_id}`,
    ]) {
      expect(await contact(path)).toEqual(found);
    }
    const account = await contact(`/contacts/by-account/${uidOf('u1').toUpperCase()}`);
    expect(account).toMatchObject({
      account_id: uidOf('u1'),
      addresses: ['ada@mail.test'],
      double_opt_in: true,
      mailable: true,
    });
  });

  it('answers 404 for a retired token or id, byte for byte as for an unknown or malformed one', async () => {
    const account = await contact('/contacts/by-email/ada@mail.test');
    const reader = await contact('/contacts/by-email/ada2@mail.test');
    await apply(acct('u1', 'ada2', 4));
    const merged = await contact(`/contacts/by-token/${reader.basket_token}`);
    expect(merged).toMatchObject({
      contact_id: account.contact_id,
      emails: [
        { address: 'ada2@mail.test', primary: true, verified: true },
        { address: 'ada@mail.test', primary: false, verified: true },
      ],
      addresses: ['ada2@mail.test', 'ada@mail.test'],
    });

    const gone = [
      `/contacts/by-token/${account.basket_token}`,
      `/contacts/${reader.contact_id}`,
      `/contacts/${reader.contact_id}/history`,
      `/contacts/by-token/${randomUUID()}`,
      `/contacts/${randomUUID()}`,
      `/contacts/${randomUUID()}/history`,
      '/contacts/by-token/rubbish',
      '/contacts/rubbish',
      '/contacts/by-email/nobody@mail.test',
      '/contacts/by-email/rubbish',
      `/contacts/by-account/${uidOf('nobody')}`,
      '/contacts/by-account/rubbish',
    ];
    const answers = await Promise.all(gone.map(get));
    for (const { status, headers, body } of answers) {
      const { date: _date, ...others } = headers;
      expect({ status, body, others }).toEqual({
        status: 404,
        body: NOT_FOUND,
        others: {
          'cache-control': 'no-store',
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(NOT_FOUND.length),
          connection: 'close',
        },
      });
    }
  });

  it('answers the merges that led to a contact as its history, without tokens', async () => {
    const { contact_id: id, basket_token: token } = await contact('/contacts/by-email/ada@mail.test');
    const history = await contact(`/contacts/${id}/history`);
    expect(history).toEqual({
      contact_id: id,
      next: null,
      merges: [
        {
          merge_id: expect.any(String),
          merged_at: expect.stringMatching(/Z$/),
          reason: 'claim',
          trigger: { source: 'fxa', event: 'primaryEmailChanged', event_time: new Date(at(4)).toISOString() },
          survivor_contact_id: id,
          retired_contact_id: expect.any(String),
          addresses: ['ada2@mail.test'],
          token: { policy: 'address', reason: 'held_primary_address' },
          undone_at: null,
        },
      ],
    });
    expect(JSON.stringify(history)).not.toContain(token);
  });

  it('answers 404 for a deleted account, and the contact for its address', async () => {
    await apply(del('u1', 5));
    expect((await get(`/contacts/by-account/${uidOf('u1')}`)).body).toBe(NOT_FOUND);
    expect(await contact('/contacts/by-email/ada@mail.test')).toMatchObject({
      account_id: null,
      account_profile: null,
    });
  });

  it('answers excess concurrent look-ups and histories 503 with Retry-After, each by a limit of its own', async () => {
    const url = await serve({ maxLookUps: 2, maxHistories: 3 });
    const open = await gate(data, 'LOCK TABLE contact, basket_token IN ACCESS EXCLUSIVE MODE');
    const histories = Array.from({ length: 4 }, () => ask(url, `/contacts/${randomUUID()}/history`));
    const lookUps: Promise<Answer>[] = [];
    try {
      // The others of each kind cannot be answered yet.
      expect(await Promise.race(histories)).toMatchObject({ status: 503, headers: { 'retry-after': '2' }, body: BUSY });
      lookUps.push(...Array.from({ length: 3 }, () => ask(url, `/contacts/by-token/${randomUUID()}`)));
      expect(await Promise.race(lookUps)).toMatchObject({ status: 503, headers: { 'retry-after': '2' }, body: BUSY });
      expect((await ask(url, '/contacts/by-email/nobody')).status).toBe(404); // needs no database
      expect((await ask(url, '/__lbheartbeat__')).status).toBe(200);
    } finally {
      await open();
    }
    const statuses = async (answers: Promise<Answer>[]) =>
      (await Promise.all(answers)).map(({ status }) => status).sort();
    expect([await statuses(histories), await statuses(lookUps)]).toEqual([
      [404, 404, 404, 503],
      [404, 404, 503],
    ]);
    expect((await ask(url, `/contacts/by-token/${randomUUID()}`)).status).toBe(404);
    expect((await ask(url, `/contacts/${randomUUID()}/history`)).status).toBe(404);
  });

  it('answers a failure without details', async () => {
    await failLookUps(data);
    const { status, body } = await get('/contacts/by-email/ada@mail.test');
    expect([status, JSON.parse(body)]).toEqual([500, { status: 'error', code: 99, desc: 'Something went wrong here' }]);
    expect(lines.join('')).toContain('/contacts/by-email/:key');
  });

  it('leaves no address, token or name in any log line or metric', async () => {
    expect(lines.join('')).not.toMatch(/ada|mail\.test|privacy/i);
    expect((await get('/metrics')).body).not.toMatch(/ada|mail\.test|[0-9a-f]{8}-[0-9a-f]{4}/i);
  });
});
