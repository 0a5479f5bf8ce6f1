/** `onecontact erase --file`: a list of people. */
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../../src/cli/run';
import { DEAD_LETTERS } from '../../../src/rabbitmq/names';
import { allRows, keepRows } from '../../../tools/table-rows';
import { withBroker } from '../../support/broker';
import { onecontact, terminal } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { drain } from '../../support/dead-letters';
import { acct, addressOf, signup } from '../../support/events';
import { apply } from '../../support/stored';
import { tracesOf } from '../../support/traces';

let data: TestDatabase;
let empty: () => Promise<void>;
let folder: string;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(async () => {
  await empty();
  folder = mkdtempSync(join(tmpdir(), 'onecontact-erase-'));
  for (const name of ['ada', 'bea', 'cyd']) await apply(data.db, acct(name, name, 1), signup(name, ['x'], 2));
});
afterAll(() => data?.drop());

const broker = withBroker();
const env = (more: NodeJS.ProcessEnv = {}) => ({
  ...{ DATABASE_URL: data.url, ERASURE_KEY: 'a key for erasure in tests', ...more },
});
const key = (name: string): string => addressOf(name).key;
const file = (lines: string[] | string, name = 'people.txt'): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof lines === 'string' ? lines : lines.join('\n'));
  return path;
};
const erase = (path: string, ...args: string[]) => onecontact(['erase', '--yes', '--file', path, ...args], env());
const json = async (path: string, ...args: string[]) => JSON.parse((await erase(path, '--json', ...args)).out);
const reportOf = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
const idOf = async (name: string): Promise<string> =>
  JSON.parse((await onecontact(['show', '--json', key(name)], env())).out).contact_id;
const erasureTimes = () =>
  data.sql<{ hash: string; at: Date }>(`SELECT encode(hash, 'hex') AS hash, at FROM erasure ORDER BY 1`);
/** Makes the erasure of this address fail, until the returned function is called. */
const refuse = async (name: string): Promise<() => Promise<unknown>> => {
  await data.sql(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret'; END $$;
    CREATE TRIGGER refuse BEFORE DELETE ON email_address FOR EACH ROW WHEN (OLD.address = '${key(name)}') EXECUTE FUNCTION refuse()`);
  return () => data.sql('DROP FUNCTION refuse CASCADE');
};

describe('onecontact erase --file', () => {
  it('erases the person of each address and id, remembers unknown addresses, and reports other lines by their numbers', async () => {
    const path = file(
      `\ufeffAda@mail.test\r\n\r\nsecret\n ${(await idOf('bea')).toUpperCase()}\nnew@mail.test\n00000000-0000-4000-8000-000000000000\n`,
    );
    const { code, out, err } = await erase(path);
    expect([code, err]).toEqual([1, '']);
    expect(out).toBe(
      '5 lines: 2 erased, 1 unknown, whose keyed hashes are stored, 2 not done.\n' +
        'Line 3: the address has no @.\nLine 6: no live contact has the id.\n' +
        'Dead letters may still name these people: see `onecontact dead-letters list --address EMAIL`.\n' +
        `Report: ${path}.report.ndjson\n`,
    );
    expect(await tracesOf(data, ['ada@', 'bea@'])).toEqual([]);
    expect((await onecontact(['show', key('cyd')], env())).code).toBe(0);
  });

  it('writes a report that only its owner may read, with a keyed hash instead of each line', async () => {
    const path = file([key('ada'), 'secret', key('new')]);
    await erase(path, '--report', join(folder, 'report'));
    const report = join(folder, 'report');
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    const until = expect.stringMatching(/^20\d\d-.*Z$/);
    expect(reportOf(report)).toEqual([
      { line: 1, hash, result: 'erased', until, deleted: expect.objectContaining({ contacts: 1, choices: 1 }) },
      { line: 2, hash, result: 'invalid', problem: 'the address has no @' },
      { line: 3, hash, result: 'unknown', until, deleted: expect.objectContaining({ contacts: 0 }) },
    ]);
    expect(readFileSync(report, 'utf8')).not.toMatch(/mail\.test|secret/);
    expect(statSync(report).mode & 0o777).toBe(0o600);
  });

  it('continues where an interrupted run stopped, and erases no line twice', async () => {
    const path = file([key('ada'), 'nonsense', key('bea'), key('cyd')]);
    const mend = await refuse('bea');
    expect(await json(path)).toMatchObject({
      ...{ erased: 2, resumed: 0 },
      not_done: [{ line: 2 }, { line: 3, problem: 'the database failed (P0001)' }],
    });
    const before = await erasureTimes();
    await mend();
    expect(await json(path)).toEqual({
      ...{ lines: 4, erased: 3, unknown: 0, resumed: 3, interrupted: false, dry_run: false },
      ...{ not_done: [{ line: 2, problem: 'the address has no @' }], report: `${path}.report.ndjson` },
    });
    const after = await erasureTimes();
    expect(after.filter(({ hash }) => before.some((it) => it.hash === hash)).length).toBe(before.length);
    expect(await json(path)).toMatchObject({ erased: 3, resumed: 4 });
    expect(await erasureTimes()).toEqual(after);
    expect((await erase(path)).out).toMatch(/^Continued an earlier run, which had done 4 lines\.\n4 lines: 3 erased, /);
  });

  it('continues after the last whole line of a report that a crash cut off, and erases the person of the next again', async () => {
    const path = file([key('ada'), key('bea')]);
    await erase(path);
    const report = `${path}.report.ndjson`;
    writeFileSync(report, readFileSync(report, 'utf8').slice(0, -20));
    expect(await json(path)).toMatchObject({ erased: 1, unknown: 1, resumed: 1, not_done: [] });
    expect(reportOf(report).map(({ line }) => line)).toEqual([1, 2]);
  });

  it('finishes the person in work on SIGINT, says how to continue, and exits with 1', async () => {
    const path = file([key('ada'), key('bea'), key('cyd')]);
    const page = (onText: (text: string) => void) => {
      const write = (text: string): boolean => {
        onText(text);
        return true;
      };
      return Object.assign(new EventEmitter(), { isTTY: true, write });
    };
    let err = '';
    const stderr = page((text) => {
      err += text;
      if (text.includes('2 lines')) process.emit('SIGINT');
    });
    const stdout = page(() => undefined);
    expect(await run(['erase', '--yes', '--file', path], { env: env(), stdout, stderr })).toBe(1);
    expect(err).toMatch(
      /onecontact: Interrupted\. Run the same command again: it continues where this run stopped\.\n$/,
    );
    expect((await onecontact(['show', key('cyd')], env())).code).toBe(0);
    expect(await json(path)).toMatchObject({ erased: 3, resumed: 2 });
  });

  it('stops at a database that is away, says that the same command continues, and does', async () => {
    const path = file([key('ada'), key('bea')]);
    const away = env({ DATABASE_URL: 'postgresql://127.0.0.1:1/none' });
    const { code, out } = await onecontact(['erase', '--yes', '--file', path], away);
    expect([code, out, existsSync(`${path}.report.ndjson`)]).toEqual([1, '', false]);
    expect(await json(path)).toMatchObject({ erased: 2 });
  });

  it('tries a corrected line again, and takes added lines; a list with another line where one was done is refused', async () => {
    const path = file([key('ada'), 'bea']);
    await erase(path);
    file([key('ada'), key('bea'), key('cyd')]);
    expect(await json(path)).toMatchObject({ lines: 3, erased: 3, not_done: [] });
    const before = await allRows(data);
    file([key('eve'), key('bea'), key('cyd')]);
    expect(await erase(path)).toEqual({
      ...{ code: 1, out: '' },
      err: `onecontact: Line 1 differs from the line that ${path}.report.ndjson records: name another report with --report.\n`,
    });
    expect(await allRows(data)).toEqual(before);
    expect(await json(path, '--report', join(folder, 'other'))).toMatchObject({ resumed: 0, unknown: 3 });
  });

  it('overwrites no file that is not a report, nor the list itself', async () => {
    const path = file([key('ada')]);
    for (const [name, content] of [
      ['notes', 'my notes'],
      ['notes', 'my notes\n'],
      ['json', '{"a":1}\n'],
    ] as const) {
      const other = file(content, name);
      expect((await erase(path, '--report', other)).err).toMatch(
        / exists and is not a report: name another file with --report\.\n$/,
      );
      expect(readFileSync(other, 'utf8')).toBe(content);
    }
    expect((await erase(path, '--report', path)).code).toBe(1);
    expect((await erase(path, '--report', join(folder, 'none', 'report'))).err).toMatch(
      /^onecontact: The report cannot be written \(ENOENT\): /,
    );
    expect((await onecontact(['show', key('ada')], env())).code).toBe(0);
  });

  it('changes nothing with --dry-run, and writes no report', async () => {
    const path = file([key('ada'), 'nonsense', key('new')]);
    const before = await allRows(data);
    const { code, out } = await onecontact(['erase', '--dry-run', '--file', path], env());
    expect([code, out]).toEqual([
      1,
      expect.stringContaining(
        '3 lines: 1 would be erased, 1 unknown, whose keyed hashes would be stored, 1 not done.\n',
      ),
    ]);
    expect(out).toMatch(/\nNothing was changed\.\n$/);
    expect(await allRows(data)).toEqual(before);
    expect(existsSync(`${path}.report.ndjson`)).toBe(false);
  });

  it('asks on a terminal, with how many lines there are to do, and needs --yes elsewhere', async () => {
    const path = file([key('ada'), 'nonsense', key('bea')]);
    const before = await allRows(data);
    expect((await onecontact(['erase', '--file', path], env())).code).toBe(2);
    expect(await onecontact(['erase', '--file', path], env(), terminal('n'))).toEqual({
      ...{ code: 1, out: '' },
      err: '2 lines to do, 1 that cannot be used.\nErase for good? [y/N] onecontact: Not confirmed: nothing was changed.\n',
    });
    expect(await allRows(data)).toEqual(before);
    const { out, err } = await onecontact(['erase', '--file', path, '--json'], env(), terminal('y'));
    expect(JSON.parse(out)).toMatchObject({ erased: 2 });
    expect(err).toContain('3 lines');
  });

  it('drops, with --dead-letters, the dead letters that name any of the people, and no others', async () => {
    await broker().freshTopology();
    const bodies = [key('ada'), key('eve'), key('bea'), `x${key('ada')}`].map((email) => JSON.stringify({ email }));
    await broker().send('', DEAD_LETTERS, bodies, { persistent: true, headers: { reason: 'failed' } });
    const path = file([key('ada'), '00000000-0000-4000-8000-000000000000', key('bea')]);
    const eraseAll = (...args: string[]) =>
      onecontact(['erase', '--yes', '--dead-letters', '--file', path, ...args], env({ AMQP_URL: broker().url }));
    expect(JSON.parse((await eraseAll('--dry-run', '--json')).out)).toMatchObject({ erased: 2, dead_letters: 2 });
    expect((await eraseAll()).out).toContain('\nDropped 2 dead letters.\n');
    expect(await drain(broker())).toEqual([bodies[1], bodies[3]]);
  });

  it.each([
    ['neither an address nor a file', []],
    ['both', ['ada@mail.test', '--file', 'people.txt']],
    ['a report without a file', ['ada@mail.test', '--report', 'report']],
  ])('exits with 2 for %s', async (_what, args) => {
    const { code, out, err } = await onecontact(['erase', '--yes', ...args], env());
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
  });
});
