/** The commands of the pages for operators, run on one broker and one database, in an order that gives each something to do. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { DEAD_LETTERS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { until, withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, signup, uidOf } from '../support/events';
import { publish, startOn } from '../support/service';
import { codeOf, type Mention, mentionsOn, OPERATOR_PAGES, optionIn } from './mentions';
import { blocksOf } from './page';

const ADA = addressOf('ada').key;

const broker = withBroker();

describe('the pages for operators', () => {
  let mentions: Mention[];
  let folder: string;
  let database: TestDatabase;
  /** The commands that ran, by their words. */
  const ran: string[][] = [];

  beforeAll(async () => {
    mentions = (await Promise.all(OPERATOR_PAGES.map(mentionsOn))).flat();
    folder = await mkdtemp(join(tmpdir(), 'onecontact-test-'));
    database = await freshDatabase({ migrated: false });
  });
  afterAll(async () => {
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const env = (): Record<string, string> => ({
    AMQP_URL: broker().url,
    DATABASE_URL: database.url,
    ERASURE_KEY: 'a key for erasure in tests',
    ERASURE_LIST: join(folder, 'erasures.ndjson'),
  });
  /** Runs a command, which must succeed. @returns its output */
  async function run(line: string, ...more: string[]): Promise<string> {
    const words = [...line.split(' '), ...more];
    const result = await onecontact(words, env());
    expect({ line, ...result }).toMatchObject({ code: 0, err: '' });
    ran.push(words);
    return result.out;
  }

  it('bring a broker and a database into place', async () => {
    const early = await onecontact(['topology', '--apply'], { ...env(), AMQP_URL: 'amqp://127.0.0.1:1' });
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining('run `onecontact migrate`') });
    await run('migrate');
    expect(await run('topology --apply')).toContain('rabbitmqctl set_policy');
    const printed = JSON.parse(await run('topology --vhost blue --rabbitmq 3'));
    expect(printed).toMatchObject({ queues: expect.anything(), policies: expect.anything() });
  });

  it('name commands that do what the pages say', async () => {
    const service = await startOn(broker(), database);
    try {
      await publish(broker(), acct('ada', 'ada', 1), signup('work', ['x'], 2), signup('gone', ['x'], 3));
      await broker().send(NEWSLETTER_EVENTS, 'newsletter.subscribe', [`not json, ${ADA}`, 'not json, either']);
      const rows = async (table: string) => (await database.sql(`SELECT FROM ${table}`)).length;
      await until(async () => (await rows('contact')) === 3 && (await broker().ready(DEAD_LETTERS)) === 2, 60_000);
      // Only now: handled before the sign-up of its address, the claim would have nothing to merge.
      await publish(broker(), acct('ada', 'work', 4));
      await until(async () => (await rows('merge')) === 1, 60_000);
    } finally {
      await service.stop();
    }
    expect(await run('show', ADA)).toContain(ADA);
    const [merge] = await database.sql<{ id: string }>('SELECT id FROM merge');
    const id = merge?.id as string;
    expect(await run('merges list')).toContain(id.slice(0, 8));
    expect(await run('merges show', id)).toContain(id);
    expect(await run('merges undo', id, '--yes')).toContain('The merge is undone.');
    const unblock = ['merges unblock', uidOf('ada'), addressOf('work').key, '--yes'] as const;
    expect(await run(...unblock)).toContain('The claims count again.');
    expect(await run('collisions resolve', '--yes')).toContain('No claims are held');

    expect(await run('dead-letters list --address', ADA)).toContain('not_json');
    const [, letter = ''] = /"id":"([^"]+)"/.exec(await run('dead-letters list --json')) ?? [];
    expect(await run('dead-letters show', letter)).toContain('not json');
    expect(await run('dead-letters replay', letter)).toContain('Replayed 1 of 2');
    expect(await run('dead-letters drop', '--all', '--yes')).toMatch(/^Dropped \d of \d/);

    await writeFile(join(folder, 'suppressed.txt'), `${addressOf('letter').key}\n`);
    expect(await run('opt-out', ADA, '--reason', 'ticket 1')).toContain('Opted out 1 address');
    expect(await run(`opt-out --file ${join(folder, 'suppressed.txt')} --reason ticket`)).toContain(
      'of which 1 was unknown',
    );
    expect(await run('erase', addressOf('gone').key, '--yes', '--dead-letters')).toContain('Deleted: 1 contact');
    const list = join(folder, 'erasures.ndjson');
    expect(await run('erasures apply', list, '--dry-run')).toContain('1 known to the database');
    expect(await run('erasures apply', list, '--yes')).toContain('1 known to the database');
    expect(await run('purge --older-than 30d')).toMatch(/\S/);
    expect(await run('feed renew')).toMatch(/\S/);
    expect(await run('export')).toContain(uidOf('ada'));
    expect(await run('export --canonical')).toContain(uidOf('ada'));
    expect(await run('audit')).toContain('merges undo');
    await writeFile(join(folder, 'decisions.ndjson'), await run('audit --export'));
    expect(await run('audit --again', join(folder, 'decisions.ndjson'))).toMatch(/^# .* merges undo, account/m);
  }, 180_000);

  it('name no other command, and no other option of one', () => {
    const isRun = ({ command, words }: Mention): boolean =>
      ran.some((it) => {
        const options = words.filter((word) => word.startsWith('--')).map(optionIn);
        return it.join(' ').startsWith(command) && options.every((option) => it.includes(option));
      });
    // test/docs/commands.test.ts starts processes; the others are groups of commands.
    const others = new Set(['start', 'console', 'erasures', 'dead-letters', 'merges', 'collisions']);
    expect(mentions.filter((each) => !others.has(each.command) && !isRun(each)).map(({ text }) => text)).toEqual([]);
  });

  it('find a transaction that holds back the change feed, and end it', async () => {
    const [block = ''] = blocksOf('docs/operations.md', 'sql');
    const [open, prepared] = block.split(';') as [string, string];
    const forgotten = new Client({ connectionString: database.url });
    await forgotten.connect();
    const ended = new Promise<void>((resolve) => forgotten.on('error', () => resolve()));
    try {
      await forgotten.query('BEGIN');
      await forgotten.query('SELECT pg_current_xact_id()');
      const [{ pid }] = (await forgotten.query('SELECT pg_backend_pid() AS pid')).rows;
      // The server's own transactions, such as those of autovacuum, may be found beside it.
      const found = async () => (await database.sql<{ pid: number; state: string }>(open)).find((it) => it.pid === pid);
      expect(await found()).toMatchObject({ state: 'idle in transaction' });
      expect(await database.sql(prepared)).toEqual([]);
      expect(codeOf('docs/operations.md')).toContain('pg_terminate_backend(pid)');
      await database.sql(`SELECT pg_terminate_backend(${pid})`);
      await ended;
      expect(await found()).toBeUndefined();
    } finally {
      await forgotten.end().catch(() => undefined);
    }
  });

  it('have statements that the database runs', async () => {
    const statements = OPERATOR_PAGES.flatMap(codeOf).filter((code) => /^(SELECT .* FROM |VACUUM |ANALYZE)/.test(code));
    expect(statements).toHaveLength(4);
    for (const statement of statements) await database.sql(statement);
  });
});
