/** The published client, against the service's own HTTP server on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { type Change, type ContactEvents, OneContactClient, OneContactError } from '../../src/client';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { makeServer } from '../../src/http/server';
import { intakeRoutes } from '../../src/intake/routes';
import { NOTIFICATION_TYPES } from '../../src/messages/outgoing/notification-message';
import { Health } from '../../src/observability/health';
import { makeMetrics } from '../../src/observability/metrics';
import type { OutgoingMessage } from '../../src/rabbitmq/publishing/outgoing';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup, uidOf } from '../support/events';
import { apply } from '../support/stored';

describe('the client', () => {
  let data: TestDatabase;
  let app: FastifyInstance;
  let url: string;
  let client: OneContactClient;
  const published: unknown[] = [];
  let isAway = false;

  beforeAll(async () => {
    data = await freshDatabase();
    const [contacts, preferences] = [{ db: data.db, historyDb: data.db }, { db: data.db }];
    const keys = { value: parseApiKeys('site read the-key\nwriter write the-writers-key') };
    const more = { log: silent, keys, health: new Health(), metrics: new Registry() };
    const publish = async (message: OutgoingMessage) => {
      published.push(JSON.parse(message.content.toString()));
      return { outcome: 'confirmed' } as const;
    };
    const publisher = {
      get ready() {
        return !isAway;
      },
      publish,
    };
    const routes = intakeRoutes({ publisher, metrics: makeMetrics(), log: silent, accounts: null });
    app = makeServer({ contacts, feedDb: data.db, preferences, routes, ...more });
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    client = new OneContactClient({ url: `${url}/`, apiKey: 'the-key' });
    await apply(data.db, acct('u1', 'ada', 1), signup('Ada+2@Mail.test', ['x'], 2));
    await apply(data.db, acct('u1', 'Ada+2@Mail.test', 3));
  });
  afterAll(async () => {
    await app?.close();
    await data?.drop();
  });

  it('finds a contact by each kind of key, its history and its preferences', async () => {
    const ada = await client.contact({ account: uidOf('u1') });
    if (!ada) throw new Error('no contact');
    for (const key of [{ email: 'ada+2@mail.test' }, { token: ada.basket_token }, { id: ada.contact_id }]) {
      expect(await client.contact(key)).toEqual(ada);
    }
    const { next, merges = [] } = (await client.history(ada.contact_id, { limit: 1 })) ?? {};
    expect([next, merges]).toEqual([null, [expect.objectContaining({ survivor_contact_id: ada.contact_id })]]);
    expect(await client.history(ada.contact_id, { after: merges[0]?.merge_id })).toMatchObject({ merges: [] });
    expect(await client.preferences(ada.basket_token)).toMatchObject({ email: 'A***@M***.test' });
  });

  it('sends newsletter messages, and throws what is wrong with them, or when to send them again', async () => {
    const sender = new OneContactClient({ url, apiKey: 'the-writers-key' });
    const signUp = { event: 'newsletter.subscribe', ts: 1_769_000_100.25, email: 'new@mail.test' } as const;
    const { events, warnings } = await sender.send([signUp, { ...signUp, lang: 'no language' }]);
    expect(events).toEqual(Array(2).fill({ id: expect.any(String), ts: signUp.ts }));
    expect(warnings.map(({ place }) => place)).toEqual(['[1].lang']);
    const { ts: _, ...withoutTime } = signUp;
    expect((await sender.send(withoutTime)).events).toEqual([{ id: expect.any(String), ts: expect.any(Number) }]);
    expect(published).toHaveLength(3);
    await expect(sender.send({ ...signUp, email: 'new' })).rejects.toMatchObject({
      status: 400,
      body: { problems: [{ place: 'email' }] },
    });
    await expect(client.send(signUp)).rejects.toMatchObject({ status: 403 });
    isAway = true;
    await expect(sender.send(withoutTime)).rejects.toMatchObject({
      status: 503,
      retryAfterSeconds: 2,
      body: { events: [{ ts: expect.any(Number) }] },
    });
  });

  it('reads the change feed page by page', async () => {
    const found: Change[] = [];
    for (let after: string | undefined; ; ) {
      const { changes, next, has_more } = await client.changes({ after, limit: 1 });
      found.push(...changes);
      if (!has_more) break;
      after = next;
    }
    const ada = await client.contact({ account: uidOf('u1') });
    expect(found).toContainEqual({ contact: ada });
    expect(found).toContainEqual({
      tombstone: { contact_id: expect.any(String), kind: 'merged', survivor_contact_id: ada?.contact_id },
    });
  });

  it('answers null for keys that open no contact, be they unknown or malformed', async () => {
    const keys = [{ email: 'new@mail.test' }, { email: 'a/../b' }, { token: '?' }, { account: '%' }, { id: '' }];
    for (const key of keys) expect(await client.contact(key)).toBeNull();
    expect([await client.history('x'), await client.preferences('x')]).toEqual([null, null]);
  });

  it('looks up any number of keys, in order', async () => {
    const keys = Array.from({ length: 1_001 }, (_, i) => ({
      email: i % 500 === 0 ? 'ada@mail.test' : `${i}@mail.test`,
    }));
    const contacts = await client.contacts(keys);
    expect(contacts).toHaveLength(1_001);
    expect(contacts.flatMap((contact, place) => (contact ? place : []))).toEqual([0, 500, 1_000]);
    expect(await client.contacts([])).toEqual([]);
  });

  it('throws every other answer, with its status and body', async () => {
    const statusOf = async (asked: Promise<unknown>): Promise<unknown> => {
      const error = await asked.catch((reason: unknown) => reason);
      return error instanceof OneContactError ? [error.status, error.body?.code, error.body?.desc] : error;
    };
    const withKey = (apiKey?: string) => new OneContactClient({ url, apiKey }).contact({ email: 'ada@mail.test' });
    expect(await statusOf(withKey())).toEqual([401, 7, 'A valid API key is required']);
    expect(await statusOf(withKey('the-writers-key'))).toEqual([403, 7, 'This API key lacks the scope read']);
    expect(await statusOf(client.contacts([{ email: 'ada' }]))).toMatchObject([
      ...[400, 5, 'The body is malformed: see problems'],
    ]);
    // A URL that leads elsewhere is not an unknown contact.
    expect(await statusOf(new OneContactClient({ url: `${url}/api` }).preferences('x'))).toEqual([
      ...[404, 5, 'Not found'],
    ]);
  });

  it('has a type for every message out', () => {
    const types: (keyof ContactEvents)[] = [...NOTIFICATION_TYPES];
    const all: Record<keyof ContactEvents, true> = {
      'contact.merged': true,
      'contact.unmerged': true,
      'contact.email_changed': true,
      'contact.review_needed': true,
      'contact.account_deleted': true,
      'contact.closed': true,
      'contact.erased': true,
      'contact.confirmation_needed': true,
      'contact.changed': true,
    };
    expect(types.sort()).toEqual(Object.keys(all).sort());
  });
});
