/** docs/recovery.md, step by step: an older backup, and what is kept outside of the database. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type Service, startService } from '../../src/main';
import type { Part } from '../../src/service/parts';
import { silent, withBroker } from '../support/broker';
import { confirmed, onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, signup, uidOf } from '../support/events';
import { config, eventually, get, publish } from '../support/service';
import { tracesOf } from '../support/traces';

const KEY = 'a key for erasure in tests';
const key = (name: string): string => addressOf(name).key;

const broker = withBroker();
let lost: TestDatabase;
let restored: TestDatabase;
let folder: string;
beforeAll(async () => {
  [lost, restored] = [await freshDatabase(), await freshDatabase()];
  folder = mkdtempSync(join(tmpdir(), 'onecontact-recovery-'));
});
afterAll(async () => {
  await lost?.drop();
  await restored?.drop();
});

/** Runs parts of the service while `work` lasts. */
async function serving(database: TestDatabase, only: Part[], work: (service: Service) => Promise<void>): Promise<void> {
  const settings = config({ amqpUrl: broker().url, databaseUrl: database.url });
  const service = await startService(
    { ...settings, erasureKey: KEY, mergeMode: 'observe' },
    { only: [...only, 'http'], log: silent },
  );
  try {
    await work(service);
  } finally {
    await service.stop();
  }
}

/** Publishes events, and waits until workers without a relay have handled them. */
const handle = (database: TestDatabase, ...events: ContactEvent[]): Promise<void> =>
  serving(database, ['fxa', 'newsletter'], async (service) => {
    await publish(broker(), ...events);
    const handled = async (): Promise<number> => {
      const { text } = await get(service, '/metrics');
      const counts = [...text.matchAll(/^onecontact_messages_total\{.*\} (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await eventually(handled, (count) => count === events.length, 60_000);
  });

/** Runs a command of an operator, which must succeed. */
async function command(database: TestDatabase, ...args: string[]): Promise<string> {
  const env = { DATABASE_URL: database.url, ERASURE_KEY: KEY, ERASURE_LIST: join(folder, 'erasures.ndjson') };
  const ran = await onecontact(confirmed(args), env);
  expect(ran).toMatchObject({ code: 0, err: '' });
  return ran.out;
}

/** Runs what `audit --again` prints until it prints only comments. @returns the commands, without `onecontact` */
async function decideAgain(database: TestDatabase, file: string): Promise<string[]> {
  const ran: string[] = [];
  for (;;) {
    const lines = (await command(database, 'audit', '--again', file)).trimEnd().split('\n');
    const commands = lines.filter((line) => !line.startsWith('#')).map((line) => line.replace(/^onecontact /, ''));
    if (commands.length === 0) return ran;
    for (const line of commands) await command(database, ...line.replaceAll("'", '').split(' '));
    ran.push(...commands);
  }
}

it('after a restore of an older backup, the erased stay erased, and replay and decisions lead to the same contacts', async () => {
  const beforeBackup = [
    ...[acct('u', 'a', 1), signup('b', ['x'], 2), acct('v', 'c', 1), signup('d', ['y'], 2)],
    ...[signup('gone', ['x'], 1), acct('e', 'gone', 2), signup('stays', ['x'], 3)],
  ];
  await handle(restored, ...beforeBackup);
  await handle(lost, ...beforeBackup);

  const afterBackup: ContactEvent[] = [
    ...[acct('u', 'b', 5), acct('v', 'd', 6)], // held
    ...[acct('e', 'gone2', 7), signup('late', ['x'], 8)],
  ];
  await handle(lost, ...afterBackup);
  await command(lost, 'collisions', 'resolve');
  const [merge] = await lost.sql<{ id: string }>('SELECT id FROM merge WHERE uid = $1', [uidOf('v')]);
  await command(lost, 'merges', 'undo', merge?.id as string);
  await command(lost, 'erase', key('gone2'));
  await command(lost, 'erase', key('late'));
  const isBack = { ...signup('gone', ['z'], 9), at: Date.now() + 1_000 };
  await handle(lost, isBack);
  const decisions = join(folder, 'decisions.ndjson');
  writeFileSync(decisions, await command(lost, 'audit', '--export'));
  const wanted = await command(lost, 'export', '--canonical');

  // The database is lost. The backup has the erased person.
  const names = [key('gone'), key('gone2'), key('late'), uidOf('e')];
  expect(await tracesOf(restored, names)).not.toEqual([]);
  const list = join(folder, 'erasures.ndjson');
  expect(await command(restored, 'erasures', 'apply', list)).toBe(
    '2 erasures in the list, 0 known to the database: 1 contact erased.\n',
  );
  expect(await tracesOf(restored, names)).toEqual([]);

  const cursor = JSON.parse((await command(restored, 'export', '--since')).trimEnd().split('\n').at(-1) as string).next;
  await command(restored, 'feed', 'renew');
  const env = { DATABASE_URL: restored.url };
  expect(await onecontact(['export', '--since', cursor], env)).toMatchObject({ code: 1, out: '' });

  expect(await decideAgain(restored, decisions)).toEqual([]);
  await handle(restored, ...beforeBackup, ...afterBackup, isBack);
  const again = await decideAgain(restored, decisions);
  expect(again).toEqual([
    `collisions resolve -- ${uidOf('u')} '${key('b')}'`,
    `collisions resolve -- ${uidOf('v')} '${key('d')}'`,
    expect.stringMatching(/^merges undo [0-9a-f-]{36} --yes$/),
  ]);
  expect(await command(restored, 'export', '--canonical')).toBe(wanted);
  expect(await tracesOf(restored, [key('gone2'), key('late'), uidOf('e')])).toEqual([]);

  // Merges are announced again, under new ids, once the relay runs.
  const pending = async (): Promise<number> => (await restored.sql('SELECT FROM outbox')).length;
  expect(await pending()).toBeGreaterThan(0);
  await serving(restored, ['relay'], async () => void (await eventually(pending, (count) => count === 0, 60_000)));
}, 240_000);
