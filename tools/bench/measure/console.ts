import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceProcess } from '../../program/process';
import { Random } from '../../random';
import type { Bench } from '../bench';
import { now } from '../broker';
import type { RunDatabase } from '../databases';
import { addressOf, filledContactOf, SQL, uidOf } from '../load/people';
import { percentile } from './statistics';

/** How long a page takes, in milliseconds. */
export interface PageTime {
  /** The first is the look-up by address that the others are measured against. */
  page: string;
  p50: number;
  p95: number;
}

/** With this many contacts at least. */
const CONTACTS = 1_000_000;
const MERGES = 300_000;
/** Pairs of address and account that wait for a decision. */
const HELD = 20_000;
const SAMPLES = 300;
const WARM_UP = 20;
const READ_KEY = 'bench-reads';
const OPERATE_KEY = 'bench-operates';

const mergeOf = (i: number): string => `01910000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`;
const MERGE = `('01910000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid`;
const RETIRED = `('01920000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid`;
const RETIRED_TOKEN = `md5('retired token ' || i)::uuid`;
const EXPLANATION = {
  fields: {
    lang: {
      survivor: { value: 'de', at: 1.7e12 },
      retired: { value: 'fr', at: 1.6e12 },
      won: 'survivor',
      why: 'later',
    },
  },
  newsletters: { 'privacy-weekly': { retired: { state: 'subscribed', since: 1.6e12 }, won: 'retired', why: 'only' } },
};

/** Merges and held claims of the accounts, whose numbers are even, as OneContact would have written them. */
const FILL = [
  'SET session_replication_role = replica',
  `INSERT INTO contact (id, state, merged_into) SELECT ${RETIRED}, 'merged', ${SQL.contact} FROM generate_series(0, ${2 * MERGES - 2}, 2) AS i`,
  `INSERT INTO merge (id, survivor_id, retired_id, uid, reason, trigger_source, trigger_event, trigger_id, trigger_at, addresses,
     token_policy, token_reason, token_side, token_kept, token_retired, announced, explanation)
   SELECT ${MERGE}, ${SQL.contact}, ${RETIRED}, ${SQL.uid}, 'claim', 'fxa', 'primaryEmailChanged', md5('merge ' || i), now(),
     ARRAY[${SQL.address}], 'address', 'survivor', 'survivor', ${SQL.token}, ${RETIRED_TOKEN}, true, '${JSON.stringify(EXPLANATION)}'
   FROM generate_series(0, ${2 * MERGES - 2}, 2) AS i`,
  `INSERT INTO basket_token (token, contact_id, state, retired_by)
   SELECT ${RETIRED_TOKEN}, ${RETIRED}, 'retired', ${MERGE} FROM generate_series(0, ${2 * MERGES - 2}, 2) AS i`,
  `INSERT INTO address_claim (address, uid, at, event, event_id, status)
   SELECT ${SQL.address.replaceAll('i::text', '(i + 1)::text').replaceAll('|| i ||', '|| (i + 1) ||').replaceAll('(i % 100)', '((i + 1) % 100)')},
     ${SQL.uid}, now(), 'login', md5('held ' || i), 'held' FROM generate_series(0, ${2 * HELD - 2}, 2) AS i`,
  `INSERT INTO audit (operator, command, target, reason, result)
   SELECT 'ada', 'merges undo', json_build_object('account_id', ${SQL.uid}), 'a ticket', '{}' FROM generate_series(0, 100000, 2) AS i`,
  'VACUUM ANALYZE',
];

/** Pages of the console, a number of a merged account in each. */
const PAGES: readonly [page: string, path: (i: number) => string][] = [
  ['find', () => '/'],
  ['reader', (i) => `/contacts/${filledContactOf(i)}`],
  ['consent', (i) => `/contacts/${filledContactOf(i)}/consent`],
  ['erase, before it is confirmed', (i) => `/contacts/${filledContactOf(i)}/erase`],
  ['merges', () => '/merges'],
  ['merges of an account', (i) => `/merges?account=${uidOf(i)}`],
  ['undone merges', () => '/merges?undone=yes'],
  ['merge', (i) => `/merges/${mergeOf(i)}`],
  ['undo, before it is confirmed', (i) => `/merges/${mergeOf(i)}/undo`],
  ['collisions', () => '/collisions'],
  ['audit', () => '/audit'],
];

/** The pages of the console beside a look-up by address, in turn, from one process. */
export async function measureConsole({ options, folder, databases }: Bench): Promise<PageTime[]> {
  const contacts = Math.max(CONTACTS, options.contacts);
  const database = await databases.clone(contacts);
  const keys = await mkdtemp(join(tmpdir(), 'onecontact-bench-'));
  await writeFile(join(keys, 'keys'), `reader read ${READ_KEY}\nada operate ${OPERATE_KEY}\n`);
  const service = new ServiceProcess(
    { path: join(folder, '../../../src/cli/main.js') },
    {
      args: ['--only', 'http,console'],
      env: {
        DATABASE_URL: database.url,
        API_KEYS_FILE: join(keys, 'keys'),
        CONSOLE_PORT: '0',
        ERASURE_KEY: 'a key for erasure in benchmarks',
      },
    },
  );
  try {
    await fill(database);
    while (!service.isUp) await Promise.race([delay(20), failed(service)]);
    return await measurePages(service, new Random(options.seed, 'console'));
  } finally {
    await service.stop();
    await rm(keys, { recursive: true });
    await database.drop();
  }
}

async function fill({ client }: RunDatabase): Promise<void> {
  for (const statement of FILL) await client.query(statement);
}

async function measurePages(service: ServiceProcess, random: Random): Promise<PageTime[]> {
  const consoleUrl = /"consoleUrl":"([^"]+)"/.exec(service.out)?.[1] as string;
  const cookie = await signIn(consoleUrl);
  const lookUp = (i: number): Promise<void> =>
    ask(`${service.url}/contacts/by-email/${encodeURIComponent(addressOf(i))}`, {
      authorization: `Bearer ${READ_KEY}`,
    });
  const asked: [string, (i: number) => Promise<void>][] = [
    ['look-up by address', lookUp],
    ...PAGES.map(([page, path]): [string, (i: number) => Promise<void>] => [
      page,
      (i) => ask(consoleUrl + path(i), { cookie }),
    ]),
  ];
  const times = new Map(asked.map(([page]) => [page, [] as number[]]));
  for (let sample = -WARM_UP; sample < SAMPLES; sample++) {
    for (const [page, request] of asked) {
      const i = 2 * random.below(MERGES);
      const begin = now();
      await request(i);
      if (sample >= 0) times.get(page)?.push(now() - begin);
    }
  }
  return [...times].map(([page, values]) => ({ page, p50: percentile(values, 50), p95: percentile(values, 95) }));
}

async function ask(url: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url, { headers, redirect: 'error' });
  await response.text();
  if (response.status !== 200) throw new Error(`${new URL(url).pathname}: ${response.status}`);
}

/** @returns the cookies of a session */
async function signIn(url: string): Promise<string> {
  const page = await fetch(`${url}/sign-in`);
  const token = /name="_csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
  const cookies = ({ headers }: Response): string[] =>
    headers.getSetCookie().map((line) => line.split(';')[0] as string);
  const own = cookies(page);
  const body = new URLSearchParams({ _csrf: token, key: OPERATE_KEY });
  const answer = await fetch(`${url}/sign-in`, {
    method: 'POST',
    body,
    headers: { cookie: own.join('; ') },
    redirect: 'manual',
  });
  if (answer.status !== 303) throw new Error(`signing in to the console was answered ${answer.status}`);
  return [...own, ...cookies(answer)].join('; ');
}

async function failed(service: ServiceProcess): Promise<never> {
  const { code } = await service.ended;
  throw new Error(`the service ended with ${code}: ${service.err}`);
}
