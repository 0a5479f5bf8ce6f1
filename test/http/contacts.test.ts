import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { makeServer } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, signup, uidOf, unsub } from '../support/events';
import { apply as applyTo } from '../support/stored';
import { ask } from './ask';

const NOT_FOUND = '{"status":"error","code":4,"desc":"User not found"}';

describe('a look-up over HTTP', () => {
  let data: TestDatabase;
  let app: FastifyInstance;
  let base: string;
  const lines: string[] = [];
  const get = (path: string) => ask(base, path);
  const contact = async (path: string) => JSON.parse((await get(path)).body);

  beforeAll(async () => {
    data = await freshDatabase();
    const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const contacts = { db: data.db, historyDb: data.db };
    app = makeServer({ contacts, log, keys: { value: [] }, health: new Health(), metrics: new Registry() });
    base = await app.listen({ host: '127.0.0.1', port: 0 });
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
    await app?.close();
    await data?.drop();
  });
  const apply = (...events: ContactEvent[]) => applyTo(data.db, ...events);

  it('answers the contact view under the names of the contract, for every kind of key', async () => {
    const found = await contact('/contacts/by-email/ada2%40mail.test');
    expect(found).toEqual({
      contact_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      basket_token: expect.stringMatching(/^[0-9a-f-]{36}$/),
      version: expect.any(Number),
      emails: [{ address: 'Ada2@Mail.test', primary: true, verified: false }],
      addresses: ['ada2@mail.test'],
      account_id: null,
      primary_email: 'Ada2@Mail.test',
      first_name: 'Ada',
      last_name: null,
      country: 'fr',
      lang: 'fr',
      format: 'H',
      opted_out: false,
      double_opt_in: false,
      newsletters: {
        hacks: { state: 'unsubscribed', since: new Date(at(3)).toISOString() },
        'privacy-weekly': { state: 'subscribed', since: new Date(at(2)).toISOString() },
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
    expect(account).toMatchObject({ account_id: uidOf('u1'), addresses: ['ada@mail.test'], double_opt_in: true });
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
      id,
      merges: [
        {
          merge_id: expect.any(String),
          merged_at: expect.stringMatching(/Z$/),
          reason: 'claim',
          trigger: { source: 'fxa', event: 'primaryEmailChanged', event_time: new Date(at(4)).toISOString() },
          survivor_id: id,
          retired_id: expect.any(String),
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
    expect(await contact('/contacts/by-email/ada@mail.test')).toMatchObject({ account_id: null });
  });

  it('leaves no address, token or name in any log line or metric', async () => {
    expect(lines.join('')).not.toMatch(/ada|mail\.test|privacy/i);
    expect((await get('/metrics')).body).not.toMatch(/ada|mail\.test|[0-9a-f]{8}-[0-9a-f]{4}/i);
  });
});
