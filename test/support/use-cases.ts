/** Everything that reads or writes the database, done once, each through the way by which it comes from outside. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { PASSES, purge } from '../../src/compaction/run';
import { databaseFindings } from '../../src/console/health/database-checks';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { Service } from '../../src/main';
import type { ChangesAnswer, LookupAnswer } from '../../src/messages/http/schemas';
import { readWholeLedger } from '../../src/operations/consent/store';
import { appendToList } from '../../src/operations/erase/list';
import { exportContacts } from '../../src/operations/export/store';
import { FenceAge } from '../../src/postgres/feed/fence';
import { erasureHashes } from '../../src/postgres/tables/erasure';
import type { Part } from '../../src/service/parts';
import type { TestBroker } from './broker';
import type { TestDatabase } from './database';
import { addDeadLetters } from './dead-letters';
import { acct, at, confirm, del, optout, signup, unsub } from './events';
import {
  FILLED,
  FILLED_ERASURE_KEY,
  filledAddress,
  filledContact,
  filledMerge,
  filledToken,
  filledUid,
} from './million-rows';
import { ctms, newsletter } from './records';
import { eventually, get } from './service';
import { startTestConsole, Visitor } from './visitor';

export interface World {
  data: TestDatabase;
  broker: TestBroker;
  /** All parts but the relay. */
  service: Service;
  start(...only: Part[]): Promise<Service>;
  /** Sends events, and waits until the service has handled each in a batch of its own. */
  handle(...events: ContactEvent[]): Promise<void>;
  /** Runs a command, which must succeed. @returns its output */
  run(...args: string[]): Promise<string>;
  /** For files. */
  folder: string;
  /** The file with the list of erasures. */
  erasureList: string;
}

/** Later than everything in the filled database. */
const LATER = 1_000_000;

/** The next of the accounts, and of the people without one, of whom nothing else is known. */
let used = 0;
const account = () => {
  used += 1;
  return {
    uid: filledUid(FILLED.account + used),
    address: filledAddress(FILLED.account + used),
    i: FILLED.account + used,
  };
};
const lone = (): number => {
  used += 1;
  return FILLED.lone + used;
};
const claim = (uid: string, address: string, t: number) => acct('u', address, t, { uid });
const loginOf = (i: number, t = LATER) => claim(filledUid(i), filledAddress(i), t);
const deletion = (uid: string, t: number) => ({ ...del('u', t), uid });
const newestMerge = async ({ run }: Pick<World, 'run'>): Promise<string> =>
  (JSON.parse(await run('merges', 'list', '--limit', '1', '--json')) as { merge_id: string }).merge_id;

export const USE_CASES: readonly [name: string, work: (world: World) => Promise<unknown>][] = [
  [
    'sign-ups and refusals by address and by token',
    async ({ handle }) => {
      const known = filledAddress(lone());
      const profile = { firstName: 'Ada', lang: 'fr' };
      await handle(
        signup('new', ['x', 'y'], LATER, { profile }),
        signup(known, ['x', 'z'], LATER, { profile }),
        signup(known, [], LATER + 1, { profile: { lang: 'it' } }),
        signup({ token: filledToken(lone()) }, ['z'], LATER),
        signup({ token: filledToken(FILLED.busy) }, ['z'], LATER, { profile }),
        unsub(known, ['z'], LATER + 1),
        optout(known, LATER + 2),
        confirm(known, LATER + 3),
        signup(account().address, ['z'], LATER),
        optout(account().address, LATER),
        signup(filledAddress(FILLED.undone), ['z'], LATER, { profile }),
        signup(filledAddress(FILLED.deleted), ['z'], LATER, { profile }),
      );
    },
  ],
  [
    'logins, new accounts and primary addresses',
    async ({ handle }) => {
      const [one, two, three, four] = [account(), account(), account(), account()];
      await handle(
        loginOf(one.i),
        loginOf(FILLED.busy),
        loginOf(FILLED.busy, 301_000.5),
        loginOf(FILLED.inCrowd),
        loginOf(FILLED.held),
        loginOf(FILLED.undone),
        loginOf(FILLED.blocked),
        acct('new', 'new-account', LATER, { newsletters: ['x'], locale: 'de' }),
        claim(two.uid, 'primary', LATER),
        claim(three.uid, filledAddress(FILLED.busy), 302_000.5),
        // 10,000 accounts once claimed this address.
        claim(four.uid, 'crowd', LATER),
        claim(filledUid(FILLED.inCrowd + 1), 'crowd-primary', LATER),
      );
    },
  ],
  [
    'merges, with notifications',
    async ({ handle }) => {
      const [one, two, three, four] = [account(), account(), account(), account()];
      await handle(
        claim(one.uid, filledAddress(lone()), LATER),
        claim(one.uid, filledAddress(lone()), LATER + 1),
        claim(filledUid(FILLED.busy), filledAddress(lone()), LATER + 1),
        deletion(one.uid, LATER + 2),
        // Its contact, into which others were merged, is merged itself.
        claim(two.uid, one.address, LATER + 3),
        claim(three.uid, four.address, LATER + 4),
        deletion(filledUid(FILLED.merged), LATER + 5),
        claim(four.uid, filledAddress(FILLED.merged), LATER + 6),
      );
    },
  ],
  [
    'deletions, early and late',
    async ({ handle }) => {
      const [one, two] = [account(), account()];
      await handle(
        deletion(one.uid, LATER),
        loginOf(one.i, LATER + 1),
        claim(two.uid, one.address, LATER + 2),
        deletion(filledUid(FILLED.deleted), 600_000),
        deletion(account().uid, 1),
        // Nothing of it is needed: a purge drops it.
        acct('gone', 'gone', 5),
        del('gone', 6),
      );
    },
  ],
  [
    'look-ups over HTTP, health and metrics',
    async ({ service }) => {
      const found = await Promise.all(
        [
          `/contacts/by-token/${filledToken(FILLED.undone)}`,
          `/contacts/by-email/${filledAddress(FILLED.inCrowd)}@mail.test`,
          `/contacts/by-email/${filledAddress(FILLED.deleted)}@mail.test`,
          `/contacts/by-account/${filledUid(FILLED.undone)}`,
          `/contacts/${filledContact(FILLED.held)}`,
          `/contacts/${filledContact(FILLED.busy)}/history`,
          `/contacts/${filledContact(FILLED.busy)}/history?limit=200&after=${filledMerge(10_000)}`,
          '/__heartbeat__',
          '/__lbheartbeat__',
          '/__version__',
          '/metrics',
        ].map(async (path) => ({ path, status: (await get(service, path)).status })),
      );
      expect(found.filter(({ status }) => status !== 200)).toEqual([]);
    },
  ],
  [
    'a look-up of 500 keys of all kinds',
    async ({ service }) => {
      const keys = Array.from({ length: 125 }, (_, i) => [
        { email: `${filledAddress(FILLED.contested + i)}@mail.test` },
        { account: filledUid(FILLED.blocked + i) },
        { token: filledToken(FILLED.held + i) },
        { id: filledContact(FILLED.merged + 1 + i) },
      ]).flat();
      const answer = await fetch(`${service.url}/contacts/lookup`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ keys }),
      });
      const { contacts } = (await answer.json()) as LookupAnswer;
      expect([contacts.length, contacts.includes(null)]).toEqual([500, false]);
    },
  ],
  [
    'pages of the change feed, before and after it is renewed',
    async ({ service, run }) => {
      const page = async (query = ''): Promise<ChangesAnswer> =>
        (await get(service, `/changes${query}`)).body as ChangesAnswer;
      const { next } = await page();
      expect((await page(`?after=${next}`)).changes).toHaveLength(500);
      await run('feed', 'renew');
      expect((await page()).changes).toHaveLength(500);
    },
  ],
  [
    'onecontact show and consent',
    async ({ run }) => {
      for (const key of [
        `${filledAddress(FILLED.busy)}@mail.test`,
        filledUid(FILLED.undone),
        filledToken(FILLED.held),
      ]) {
        await run('show', key);
      }
      await run('show', filledContact(FILLED.inCrowd));
      await run('consent', `${filledAddress(FILLED.busy)}@mail.test`);
      await run('consent', `${filledAddress(FILLED.undone)}@mail.test`);
    },
  ],
  [
    'pages of readers in the console, and of what became of former ones',
    async ({ data }) => {
      const { app, url } = await startTestConsole(data.db);
      try {
        const visitor = await Visitor.signedIn(url);
        const keys = [
          filledToken(1_000_000 + 20_001),
          filledContact(1_000_000 + 1),
          filledUid(FILLED.deleted),
          `${filledAddress(FILLED.inCrowd)}@mail.test`,
        ];
        const found = await Promise.all(keys.map((key) => visitor.follow('/', '/find', { key })));
        const ids = [FILLED.busy, FILLED.held, FILLED.contested, FILLED.undone, FILLED.blocked, FILLED.deleted];
        const pages = ids.map((i) => `/contacts/${filledContact(i)}`);
        const erase = `/contacts/${filledContact(FILLED.merged + 2)}/erase`;
        const more = [`${pages[0]}/consent`, `${pages[0]}/opt-out`, erase];
        const seen = await Promise.all([...pages, ...more].map((path) => visitor.get(path)));
        expect([...found, ...seen].filter(({ status }) => status !== 200)).toEqual([]);
        expect(await visitor.submit('/', '/find', { key: 'nobody@mail.test' })).toMatchObject({ status: 404 });
      } finally {
        await app.close();
      }
    },
  ],
  [
    'onecontact merges',
    async ({ handle, run }) => {
      await run('merges', 'list');
      await run('merges', 'list', '--undone', '--limit', '600');
      await run('merges', 'list', '--account', filledUid(FILLED.busy), '--limit', '600');
      await run('merges', 'list', '--account', filledUid(FILLED.undone), '--undone');
      const { uid } = account();
      const address = filledAddress(lone());
      await run('merges', 'preview', uid, `${address}@mail.test`);
      await handle(claim(uid, address, LATER));
      const merge = await newestMerge({ run });
      await run('merges', 'show', merge);
      await run('merges', 'undo', merge);
      await run('merges', 'unblock', uid, `${address}@mail.test`);
    },
  ],
  [
    'onecontact collisions',
    async ({ run }) => {
      await run('collisions', 'list', '--limit', '2', '--plan');
      await run('collisions', 'resolve', '--limit', '5', '--batch-size', '2');
      await run(
        'collisions',
        'resolve',
        filledUid(FILLED.held + 100),
        `${filledAddress(FILLED.contested + 100)}@mail.test`,
      );
    },
  ],
  [
    'pages of the console about merges, held claims and the audit',
    async ({ data, handle }) => {
      const { uid } = account();
      await handle(claim(uid, filledAddress(lone()), LATER));
      const { app, url } = await startTestConsole(data.db);
      try {
        const visitor = await Visitor.signedIn(url);
        const [busy, undone, blocked] = [
          filledMerge(1),
          filledMerge(FILLED.undone),
          filledMerge(FILLED.blocked - 30_000),
        ];
        const paths = [
          '/merges',
          '/merges?undone=yes',
          `/merges?account=${filledUid(FILLED.busy)}&before=10000`,
          `/merges?account=${filledUid(FILLED.undone)}&undone=yes`,
          ...[busy, undone, blocked, `${filledMerge(20_500)}/undo`].map((path) => `/merges/${path}`),
          '/collisions',
          `/collisions?account=${filledUid(FILLED.held + 200)}`,
          '/collisions/accounts',
          '/audit',
          '/audit?command=merges+undo',
          '/audit/1',
        ];
        const pages = await Promise.all(
          paths.map(async (path) => ({ path, status: (await visitor.get(path)).status })),
        );
        const pair = (i: number): string =>
          `${filledUid(FILLED.held + i)} ${filledAddress(FILLED.contested + i)}@mail.test`;
        const forms = await Promise.all(
          [
            ['/collisions', { after: pair(300) }] as const,
            ['/collisions/preview', { pair: pair(301) }] as const,
            ['/collisions/preview', { account: filledUid(FILLED.held + 302) }] as const,
            ['/collisions/release', { pair: pair(303), seen: '', reason: 'asked' }] as const,
            ['/audit', { operator: 'grace' }] as const,
          ].map(async ([path, fields]) => ({ path, status: (await visitor.submit('/merges', path, fields)).status })),
        );
        const merge = await data.db.merge.findFirstOrThrow({ where: { uid } });
        const path = `/merges/${merge.id}`;
        const { html } = await visitor.get(`${path}/undo`);
        const seen = /name="seen" value="([^"]+)"/.exec(html)?.[1] as string;
        const undo = await visitor.follow('/', `${path}/undo`, { seen, reason: 'asked' });
        const unblock = await visitor.submit(path, `${path}/unblock`, { address: merge.addresses[0] as string });
        expect([undo.status, unblock.status]).toEqual([200, 200]);
        expect([...pages, ...forms].filter(({ status }) => status !== 200)).toEqual([
          { path: '/collisions/release', status: 303 },
        ]);
      } finally {
        await app.close();
      }
    },
  ],
  [
    'onecontact import',
    async ({ run, folder }) => {
      const file = join(folder, 'contacts.ndjson');
      const records = [
        ctms({ a: 'imported', u: 'imported', p: 'other', newsletters: [newsletter('x', true, 5)] }),
        ctms({ a: 'deleted', u: 'deleted', deleted: true }),
        ctms({ a: 'undated', email: { has_opted_out_of_email: true, update_timestamp: null } }),
      ];
      writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      await run('import', file);
      await run('import', file);
    },
  ],
  [
    'onecontact opt-out',
    async ({ run }) => {
      const addresses = [lone(), FILLED.busy, FILLED.undone].map((n) => `${filledAddress(n)}@mail.test`);
      for (let round = 0; round < 2; round++) await run('opt-out', '--reason', 'asked', ...addresses);
    },
  ],
  [
    'onecontact erase and erasures',
    async ({ handle, run, erasureList, folder }) => {
      const [{ uid, address }, listed] = [account(), account()];
      await handle(claim(uid, filledAddress(lone()), LATER));
      await run('erase', `${address}@mail.test`);
      // The audit names this one.
      await run('erase', `${filledAddress(FILLED.held + 100)}@mail.test`);
      await run('erase', `${filledAddress(lone())}@mail.test`);
      await run('erase', filledContact(lone()));
      const file = join(folder, 'people.txt');
      writeFileSync(file, `${filledAddress(lone())}@mail.test\n${filledContact(lone())}\n`);
      await run('erase', '--file', file);
      const names = {
        addresses: [`${listed.address}@mail.test`, `${filledAddress(lone())}@mail.test`],
        uids: [listed.uid],
      };
      await appendToList(erasureList, FILLED_ERASURE_KEY, {
        ...erasureHashes(FILLED_ERASURE_KEY, names),
        at: Date.now(),
      });
      await run('erasures', 'apply', erasureList, '--dry-run');
    },
  ],
  [
    'onecontact audit',
    async ({ run, folder }) => {
      await run('audit', '--limit', '600');
      await run('audit', '--since', '2026-11-01', '--until', '2026-11-02');
      await run('audit', '--command', 'merges', '--operator', 'grace', '--account', filledUid(5));
      const file = join(folder, 'decisions.ndjson');
      writeFileSync(file, await run('audit', '--export', '--since', '1d'));
      await run('audit', '--again', file);
    },
  ],
  [
    'onecontact dead-letters, topology and migrate',
    async ({ broker, run }) => {
      await addDeadLetters(broker, 2);
      await run('dead-letters', 'drop', '--all');
      await run('topology', '--apply');
      await run('migrate');
    },
  ],
  [
    'an export of contacts and one of the consent ledger, up to their first pages',
    async ({ data }) => {
      const stop = new Error('enough');
      await expect(exportContacts(data.db, () => Promise.reject(stop))).rejects.toBe(stop);
      await expect(readWholeLedger(data.db, () => Promise.reject(stop))).rejects.toBe(stop);
    },
  ],
  [
    'the health page of the console',
    async ({ data }) => {
      const checks = { db: data.db, erasureKey: FILLED_ERASURE_KEY, fenceAge: new FenceAge() };
      const findings = await databaseFindings(checks);
      expect(findings.filter(({ state }) => state === 'not checked')).toEqual([]);
    },
  ],
  ['a purge', ({ data }) => purge(data.db, { before: at(LATER), auditBefore: at(100), pageSize: 20_000 })],
  [
    'maintenance, in the last of its passes',
    async ({ data, start }) => {
      await data.sql(`UPDATE compaction SET pass = ${PASSES.length - 1}`);
      const maintenance = await start('maintenance');
      const looksForGrownTables = () =>
        data.sql(`SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_stat_user_tables%'`);
      await eventually(looksForGrownTables, (sessions) => sessions.length > 0, 60_000);
      await maintenance.stop();
    },
  ],
  [
    'the relay',
    async ({ data, start }) => {
      const pending = async () => (await data.sql<{ n: number }>('SELECT count(*)::int AS n FROM outbox'))[0]?.n ?? 0;
      const before = await pending();
      const relay = await start('relay');
      await eventually(pending, (n) => n < before);
      await relay.stop();
    },
  ],
];
