import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { migrate } from '../../src/postgres/migrations/migrate';
import { buildProgram, type Program, ServiceProcess } from '../../tools/program/process';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { mentionsOn, OPERATOR_PAGES } from './mentions';
import { blocksOf, Shell } from './page';

const CHECKOUT = resolve(__dirname, '../..');

const broker = withBroker();

describe('the commands of the pages, pasted in their order on fresh servers', () => {
  let program: Program;
  let folder: string;
  let database: TestDatabase;
  let shell: Shell;

  beforeAll(async () => {
    program = await buildProgram();
  }, 120_000);
  afterAll(() => program?.remove());
  beforeEach(async () => {
    await broker().freshTopology();
    database = await freshDatabase({ migrated: false });
    folder = await mkdtemp(join(tmpdir(), 'onecontact-test-'));
    await symlink(join(CHECKOUT, 'tools'), join(folder, 'tools'));
    await writeFile(join(folder, 'onecontact'), `#!/bin/sh\nexec '${process.execPath}' '${program.path}' "$@"\n`, {
      mode: 0o755,
    });
    shell = new Shell(program, folder, { AMQP_URL: broker().url, DATABASE_URL: database.url });
  });
  afterEach(async () => {
    await shell.stop();
    await database.drop();
    await rm(folder, { recursive: true });
  });

  /** The example's address is the default; a test takes a free port. */
  const here = (block: string): string => block.replaceAll('http://127.0.0.1:8080', shell.url ?? '');

  it('README: the first merge, and a sign-up over HTTP', async () => {
    const [clone, start, before, merge, curl, ...rest] = blocksOf('README.md') as [
      string,
      string,
      string,
      string,
      string,
    ];
    expect(rest).toEqual([]);
    // `npm test` runs this, and its other commands are tests of their own.
    expect(clone).toContain('npm run demo');
    await shell.run(start.replace(/^export AMQP_URL=\S+ DATABASE_URL=\S+\n/, ''));
    const whatFollows = /^\.\/onecontact show.*$/ms;
    await shell.run(before.replace(whatFollows, ''));
    await until(async () => (await database.sql('SELECT FROM contact')).length === 2, 60_000);
    expect((await shell.run(whatFollows.exec(before)?.[0] ?? '')).output).not.toContain('ada@home.test');
    await shell.run(merge.replace(whatFollows, ''));
    await until(async () => (await database.sql('SELECT FROM merge')).length === 1, 60_000);
    const { output } = await shell.run(whatFollows.exec(merge)?.[0] ?? '');
    expect(output).toMatch(/ada@mail\.test.*ada@home\.test.*privacy-weekly/s);
    await shell.run(here(curl));
    const signedUp = `SELECT FROM email_address WHERE address = 'grace@mail.test'`;
    await until(async () => (await database.sql(signedUp)).length === 1, 60_000);
  }, 180_000);

  it('moving in: import, observe, some accounts, all', async () => {
    const [make, prepare, move, observe, some, all, ...rest] = blocksOf('docs/moving-in.md') as string[];
    expect(rest).toEqual([]);
    for (const block of [make, prepare, move, observe]) await shell.run(block as string);
    const [resolveSome = '', list = '', undo = '', start = ''] = some?.split('\n') ?? [];
    await shell.run(`${resolveSome}\n${list}`);
    const [{ id }] = (await database.sql<{ id: string }>('SELECT id FROM merge LIMIT 1')) as [{ id: string }];
    await shell.run(`${undo.replace(/[\da-f-]{36}/, id)}\n${start}`);
    const { output } = await shell.run(all as string);
    expect(output).toContain('No claims are held.');
  }, 180_000);

  it('pages for operators: each process that they start, side by side', async () => {
    const mentions = (await Promise.all(OPERATOR_PAGES.map(mentionsOn))).flat();
    const withOptions = mentions.filter(({ command, words }) => command === 'start' && words.length > 0);
    const starts = [...new Set(withOptions.map(({ words }) => words.join(' ')))];
    expect(starts).toEqual(expect.arrayContaining(['--only http', '--only fxa,newsletter', '--only intake']));
    await migrate(database.url);
    const [makeKey = ''] = (blocksOf('docs/console.md')[0] ?? '').split('\n');
    await shell.run(makeKey);
    const keys = { API_KEYS_FILE: join(folder, 'keys.txt'), CONSOLE_PORT: '0' };
    const env = { AMQP_URL: broker().url, DATABASE_URL: database.url, ...keys };
    const processes = starts.map((line) => new ServiceProcess(program, { args: line.split(' '), env }));
    try {
      await until(async () => processes.every(({ isUp, child }) => isUp || child.exitCode !== null), 60_000);
      expect(processes.map(({ isUp, err }) => [isUp, err])).toEqual(starts.map(() => [true, '']));
    } finally {
      await Promise.all(processes.map((each) => each.stop()));
    }
  }, 180_000);
});
