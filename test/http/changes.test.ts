/** The change feed over HTTP: its answers, what it refuses, and a reader that is killed. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { defaultKey } from '../../src/foundation/api-keys';
import { encodeCursor } from '../../src/foundation/cursor';
import { makeServer } from '../../src/http/server';
import type { ContactBody } from '../../src/messages/outgoing/contact-schema';
import { Health } from '../../src/observability/health';
import { type Database, openDatabase } from '../../src/postgres/database';
import { renewEpoch } from '../../src/postgres/feed/epoch';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { liveContacts } from '../support/feed-reader';
import { gate } from '../support/gate';
import { apply } from '../support/stored';
import { ask } from './ask';

const KEY = 'a-key-of-a-test';
const authorised = { authorization: `Bearer ${KEY}` };

let data: TestDatabase;
let feedDb: Database;
let app: FastifyInstance;
let base: string;
beforeAll(async () => {
  data = await freshDatabase();
  feedDb = openDatabase({ url: data.url, name: 'onecontact test', max: 2 });
  const log = pino({ level: 'silent' });
  const keys = { value: [defaultKey(KEY)] };
  const contacts = { db: data.db, historyDb: data.db };
  app = makeServer({ contacts, feedDb, log, keys, health: new Health(), metrics: new Registry() });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
  await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 2), signup('c', ['x', 'y'], 3));
});
afterAll(async () => {
  await app?.close();
  await feedDb?.$disconnect();
  await data?.drop();
});

async function changes(query = '') {
  const { status, headers, body } = await ask(base, `/changes${query}`, { headers: authorised });
  return { status, headers, body: JSON.parse(body) };
}

describe('GET /changes', () => {
  it('answers pages of contacts with the bodies of the look-ups, and where to continue', async () => {
    const first = await changes('?limit=2');
    expect(first).toMatchObject({ status: 200, body: { next: expect.stringMatching(/^[\w-]{60}$/), has_more: true } });
    expect(first.headers['cache-control']).toBe('no-store');
    const second = await changes(`?limit=2&after=${first.body.next}`);
    expect(second.body.has_more).toBe(false);
    const told = [...first.body.changes, ...second.body.changes].map(({ contact }) => contact);
    expect(told).toHaveLength(3);
    for (const contact of told) {
      const { body } = await ask(base, `/contacts/by-token/${contact.basket_token}`, { headers: authorised });
      expect(contact).toEqual(JSON.parse(body));
    }
    const { next } = second.body;
    expect((await changes(`?after=${next}`)).body).toEqual({ changes: [], next, has_more: false });
  });

  it('answers a merged contact as a tombstone with the survivor, and without anything personal', async () => {
    await apply(data.db, acct('m', 'm1', 1), signup('m2', ['x'], 2));
    const { body: before } = await changes();
    await apply(data.db, acct('m', 'm2', 3));
    const { body } = await changes(`?after=${before.next}`);
    const [survivor] = body.changes.flatMap(({ contact }: { contact?: ContactBody }) => contact?.contact_id ?? []);
    const tombstones = body.changes.flatMap(({ tombstone }: { tombstone?: object }) => tombstone ?? []);
    expect(tombstones).toEqual([
      { contact_id: expect.stringMatching(/^[0-9a-f-]{36}$/), kind: 'merged', survivor_contact_id: survivor },
    ]);
  });

  it.each([
    ['after=abc', 'after must be a cursor: the value of next in an earlier answer'],
    ['after=', 'after must be a cursor: the value of next in an earlier answer'],
    ['after=a&after=b', 'after must be given once'],
    ['limit=0', 'limit must be a whole number from 1 to 500'],
    ['limit=501', 'limit must be a whole number from 1 to 500'],
    ['limit=1.5', 'limit must be a whole number from 1 to 500'],
    ['limit=1&limit=2', 'limit must be a whole number from 1 to 500'],
    ['since=x', 'the parameters are after and limit, and no others'],
    ['__proto__=x', 'the parameters are after and limit, and no others'],
  ])('answers 400 with the reason for ?%s', async (query, desc) => {
    expect(await changes(`?${query}`)).toMatchObject({ status: 400, body: { status: 'error', code: 5, desc } });
  });

  it('requires a key', async () => {
    expect((await ask(base, '/changes')).status).toBe(401);
    expect((await ask(base, '/changes?limit=0')).status).toBe(401);
  });

  it('answers 503 at once to more than 4 pages that are read at the same time, and holds up no look-up', async () => {
    const open = await gate(data, 'LOCK TABLE email_address IN ACCESS EXCLUSIVE MODE');
    const pages = Array.from({ length: 5 }, () => changes());
    try {
      // The others cannot be answered yet.
      expect(await Promise.race(pages)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
      expect((await ask(base, `/contacts/${randomUUID()}`, { headers: authorised })).status).toBe(404);
    } finally {
      await open();
    }
    expect((await Promise.all(pages)).map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 503]);
  });

  it('a reader that is killed with SIGKILL between pages misses nothing', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `reader-${i}`);
    await apply(data.db, ...names.map((name) => signup(name, ['x'], 1)));
    const file = join(mkdtempSync(join(tmpdir(), 'onecontact-feed-')), 'copy.json');
    writeFileSync(file, JSON.stringify({ next: null, contacts: {} }));
    for (let run = 0; run < 4; run++) {
      await apply(data.db, ...names.slice(run * 10, run * 10 + 20).map((name) => signup(name, [`n${run}`], 2 + run)));
      await apply(data.db, acct(`reader-${run}`, `reader-${run}`, 10), acct(`reader-${run}`, `reader-${run + 30}`, 11));
      await readUntil(file, run < 3 ? 3 : null);
    }
    const { contacts } = JSON.parse(readFileSync(file, 'utf8'));
    expect(new Map(Object.entries(contacts))).toEqual(await liveContacts(data.db));
  });

  it('answers 410 with what to do once the epoch was renewed, and reads everything again without a cursor', async () => {
    const { body } = await changes();
    await renewEpoch(data.db);
    expect(await changes(`?after=${body.next}`)).toMatchObject({
      status: 410,
      body: { desc: expect.stringContaining('read everything again, without after') },
    });
    const again = await changes();
    expect(again.body.changes).toEqual(body.changes);
    expect(again.body.next).not.toBe(body.next);
  });

  it('answers 503 with what an operator must do, and when to ask again, after a restore from a dump', async () => {
    const set = (to: string) => data.sql(`UPDATE contact SET changed_in = ${to}`);
    await set("'1152921504606846976'");
    try {
      expect(await changes()).toMatchObject({
        status: 503,
        headers: { 'retry-after': '60' },
        body: { desc: expect.stringContaining('run `onecontact feed renew`') },
      });
    } finally {
      await set("'0'");
    }
  });

  it('answers 410 to a cursor of another database', async () => {
    const epoch = '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11';
    const cursor = encodeCursor({ epoch, changedIn: 0n, contactId: epoch });
    expect((await changes(`?after=${cursor}`)).status).toBe(410);
  });
});

/** Runs a reader in a process of its own, to the last page, or until it is killed with a page that it has not stored. */
async function readUntil(file: string, killAt: number | null): Promise<void> {
  const args = [base, authorised.authorization, file, String(killAt)];
  const reader = spawn(process.execPath, ['-e', READER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  reader.stdout.once('data', () => reader.kill('SIGKILL'));
  const [code, signal] = await once(reader, 'exit');
  expect([code, signal]).toEqual(killAt === null ? [0, null] : [null, 'SIGKILL']);
}

/** Stores its copy and the cursor together, in one step. With the page that it is killed at, it says so and waits. */
const READER = `
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const [base, authorization, file, killAt] = process.argv.slice(1);
(async () => {
  for (let pages = 1; ; pages++) {
    const { next, contacts } = JSON.parse(readFileSync(file, 'utf8'));
    const after = next === null ? '' : '&after=' + next;
    const page = await (await fetch(base + '/changes?limit=3' + after, { headers: { authorization } })).json();
    if (String(pages) === killAt) {
      process.stdout.write('kill me');
      await new Promise(() => setInterval(() => undefined, 1_000));
    }
    for (const { contact, tombstone } of page.changes) {
      if (contact) contacts[contact.contact_id] = contact;
      else delete contacts[tombstone.contact_id];
    }
    writeFileSync(file + '.new', JSON.stringify({ next: page.next, contacts }));
    renameSync(file + '.new', file);
    if (!page.has_more) break;
  }
})();
`;
