/** Look-ups of many contacts with one request, on PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { makeServer, type ServerOptions } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { erasePerson } from '../../src/operations/erase/run';
import type { Database } from '../../src/postgres/database';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../support/events';
import { gate } from '../support/gate';
import { ledgerOf, undoOf } from '../support/ledger';
import { apply } from '../support/stored';
import { ask } from './ask';

const JSON_BODY = { 'content-type': 'application/json' };

describe('a look-up of many contacts', () => {
  let data: TestDatabase;
  const apps: FastifyInstance[] = [];
  const lines: string[] = [];
  let base: string;
  const serve = async (options: Partial<ServerOptions> = {}): Promise<string> => {
    const log = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const [contacts, preferences] = [{ db: data.db, historyDb: data.db }, { db: data.db }];
    const more = {
      contacts,
      preferences,
      log,
      keys: { value: [] },
      health: new Health(),
      metrics: new Registry(),
      ...options,
    };
    const app = makeServer(more);
    apps.push(app);
    return app.listen({ host: '127.0.0.1', port: 0 });
  };
  const send = (body: string, headers: Record<string, string> = JSON_BODY, url = base) =>
    ask(url, '/contacts/lookup', { method: 'POST', headers, body });
  const lookUp = async (keys: unknown[]) => {
    const { status, body } = await send(JSON.stringify({ keys }));
    return { ...JSON.parse(body), status };
  };
  const contact = async (path: string) => JSON.parse((await ask(base, path)).body);

  beforeAll(async () => {
    data = await freshDatabase();
    base = await serve();
    await apply(
      data.db,
      acct('u1', 'ada', 1),
      signup('ben', ['x'], 2),
      acct('gone', 'left', 1),
      acct('late', 'left', 2),
    );
    await apply(data.db, del('gone', 3));
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await data?.drop();
  });

  it('answers one entry a key, in order, each like the look-up by that key alone', async () => {
    const ada = await contact('/contacts/by-email/ada@mail.test');
    const ben = await contact('/contacts/by-email/ben@mail.test');
    const { status, contacts } = await lookUp([
      { email: 'BEN@mail.test' },
      { account: uidOf('u1').toUpperCase() },
      { token: ada.basket_token },
      { id: ben.contact_id },
      { email: 'ada@mail.test' },
    ]);
    expect([status, contacts]).toEqual([200, [ben, ada, ada, ben, ada]]);
  });

  it('answers null for each key that opens no contact: unknown, of another kind, or of a deleted account', async () => {
    const ben = await contact('/contacts/by-email/ben@mail.test');
    const { contacts } = await lookUp([
      { email: 'new@mail.test' },
      { token: ben.contact_id },
      { id: ben.basket_token },
      { account: uidOf('gone') },
      { account: uidOf('nobody') },
      { id: randomUUID() },
      { email: 'ben@mail.test' },
    ]);
    expect(contacts).toEqual([null, null, null, null, null, null, ben]);
    expect((await lookUp([])).contacts).toEqual([]);
  });

  it('follows a merge, its undo and an erasure at once', async () => {
    await apply(data.db, acct('m', 'main', 1), signup('lone', ['x'], 2));
    const lone = await contact('/contacts/by-email/lone@mail.test');
    const main = await contact('/contacts/by-email/main@mail.test');
    const keys = [{ token: lone.basket_token }, { token: main.basket_token }, { id: lone.contact_id }];
    const ids = async () =>
      (await lookUp(keys)).contacts.map((found: { contact_id: string } | null) => found?.contact_id ?? null);
    expect(await ids()).toEqual([lone.contact_id, main.contact_id, lone.contact_id]);

    await apply(data.db, acct('m', 'lone', 3));
    expect(await ids()).toEqual([main.contact_id, null, null]);

    const [merge] = await ledgerOf(data.db);
    await apply(data.db, undoOf(merge as StoredMerge, at(9)));
    expect(await ids()).toEqual([lone.contact_id, main.contact_id, lone.contact_id]);

    await erasePerson(data.db, addressOf('lone'), { erasureKey: 'a key for erasure in tests' });
    expect(await ids()).toEqual([null, main.contact_id, null]);
    expect((await ask(base, `/preferences/${lone.basket_token}`)).status).toBe(404);
  });

  it('takes 500 keys, with the longest addresses, and as many statements as for one', async () => {
    const counted = (keys: unknown[]) => {
      let statements = 0;
      const counting = new Proxy(data.db, {
        get(target, name) {
          if (name !== '$transaction') return Reflect.get(target, name);
          return (work: (tx: object) => Promise<unknown>, options: object) =>
            target.$transaction(
              (tx) =>
                work(
                  new Proxy(tx, {
                    get(inner, method) {
                      if (method === '$queryRaw') statements += 1;
                      return Reflect.get(inner, method);
                    },
                  }),
                ),
              options,
            );
        },
      });
      return { db: counting as Database, keys, statements: () => statements };
    };
    const many = Array.from({ length: 500 }, (_, i) => ({
      email: i === 77 ? 'ben@mail.test' : `${String(i).padStart(240, 'x')}@mail.test`,
    }));
    const results = [];
    for (const { db, keys, statements } of [counted([{ email: 'ben@mail.test' }]), counted(many)]) {
      const url = await serve({ contacts: { db, historyDb: db } });
      const { status, body } = await send(JSON.stringify({ keys }), JSON_BODY, url);
      const found = JSON.parse(body).contacts.filter((each: object | null) => each !== null).length;
      results.push({ status, found, statements: statements() });
    }
    expect(results[0]).toMatchObject({ status: 200, found: 1 });
    expect(results[1]).toEqual(results[0]);
  });

  it('refuses malformed keys with the place of each, and never repeats what was sent', async () => {
    const { status, ...body } = await lookUp([
      { email: 'ada@mail.test' },
      { email: 'ada' },
      { token: 'secret' },
      { account: '12' },
      { id: 7 },
      { colour: 'red' },
      { email: 'ada@mail.test', token: randomUUID() },
      'ada@mail.test',
      null,
    ]);
    const shape = 'must be an object with one text: email, token, account or id';
    expect(status).toBe(400);
    expect(body.problems).toEqual([4, 5, 6, 7, 8].map((place) => ({ place: `keys[${place}]`, problem: shape })));
    const values = await lookUp([{ email: 'ada' }, { token: 'secret' }, { account: '12' }, { id: 'x' }]);
    expect([values.status, values.problems]).toEqual([
      400,
      [
        { place: 'keys[0].email', problem: 'must be an email address' },
        { place: 'keys[1].token', problem: 'must be a uuid' },
        { place: 'keys[2].account', problem: 'must be 32 hexadecimal digits, or a uuid' },
        { place: 'keys[3].id', problem: 'must be a uuid' },
      ],
    ]);
    expect(JSON.stringify([body, values])).not.toMatch(/ada|secret|colour/);
  });

  it.each([
    ['no JSON', '{"keys":', 400, 'The body is not JSON'],
    ['an empty body', '', 400, 'The body is not JSON'],
    ['a prototype', '{"__proto__":{},"keys":[]}', 400, 'The body is not JSON'],
    ['no object', '[]', 400, 'The body is malformed: see problems'],
    ['null', 'null', 400, 'The body is malformed: see problems'],
    ['no keys', '{}', 400, 'The body is malformed: see problems'],
    ['another field', '{"keys":[],"limit":1}', 400, 'The body is malformed: see problems'],
    ['keys that are no list', '{"keys":{"email":"a@mail.test"}}', 400, 'The body is malformed: see problems'],
    ['deep nesting', `{"keys":${'['.repeat(60_000)}${']'.repeat(60_000)}}`, 400, 'The body is malformed: see problems'],
    ['501 keys', JSON.stringify({ keys: Array(501).fill(1) }), 413, 'keys: must be a list of at most 500 keys'],
    ['too many bytes', JSON.stringify({ keys: ['x'.repeat(300_000)] }), 413, 'The body is too large'],
  ])('refuses %s, with the reason', async (_what, sent, status, desc) => {
    const answer = await send(sent);
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([status, { status: 'error', code: 5, desc }]);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('refuses another type of content, a request without a key, and one without the scope', async () => {
    expect((await send('{"keys":[]}', { 'content-type': 'text/plain' })).status).toBe(415);
    const url = await serve({ keys: { value: parseApiKeys('site read the-key\nwriter write the-writers') } });
    const statusWith = async (key: string) =>
      (await send('{"keys":[]}', { ...JSON_BODY, authorization: `Bearer ${key}` }, url)).status;
    expect((await send('{"keys":[', JSON_BODY, url)).status).toBe(401);
    expect([await statusWith('the-key'), await statusWith('wrong'), await statusWith('the-writers')]).toEqual([
      200, 401, 403,
    ]);
  });

  it('has a limit of its own, so that it holds up no look-up of one contact', async () => {
    const url = await serve({ maxListLookUps: 1 });
    const open = await gate(data, 'LOCK TABLE basket_token IN ACCESS EXCLUSIVE MODE');
    const keys = JSON.stringify({ keys: [{ token: randomUUID() }] });
    const answers = Array.from({ length: 2 }, () => send(keys, JSON_BODY, url));
    try {
      // The other one cannot be answered yet.
      expect(await Promise.race(answers)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
      expect((await ask(url, '/contacts/by-email/new@mail.test')).status).toBe(404);
    } finally {
      await open();
    }
    expect((await Promise.all(answers)).map(({ status }) => status).sort()).toEqual([200, 503]);
  });

  it('leaves no key in any log line or metric', async () => {
    expect(lines.join('')).not.toMatch(/mail\.test|secret/);
    expect((await ask(base, '/metrics')).body).toContain('route="/contacts/lookup"');
  });
});
