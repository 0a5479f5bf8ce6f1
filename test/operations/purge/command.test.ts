import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run } from '../../../src/cli/run';
import { parseDuration } from '../../../src/operations/purge/command';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, del, signup } from '../../support/events';
import { apply, canonicalExportOf } from '../../support/stored';

const DAY = 86_400_000;

describe('onecontact purge', () => {
  let data: TestDatabase;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    data = await freshDatabase();
    env = { DATABASE_URL: data.url };
    await apply(data.db, acct('d', 'a', 1, { country: 'at' }), del('d', 2));
    await apply(data.db, ...[1, 2, 3].map((t) => signup('b', ['x'], t)));
    // Made a moment ago: `--older-than` is at least a day.
    const now = Date.now() - 1_000;
    await apply(data.db, { ...acct('e', 'c', 1), at: now }, { ...del('e', 1), at: now });
  });
  afterAll(() => data?.drop());

  const counts = { claims: 0, choices: 1, accounts: 1, addresses: 1, contacts: 1, explanations: 0, audit: 0 };

  it('prints what would be purged in a dry run, and changes nothing', async () => {
    const before = await canonicalExportOf(data.db);
    const { code, out, err } = await onecontact(['purge', '--older-than', '1d', '--dry-run'], env);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      /^Older than 20[\d-]+ [\d:]+ UTC \(dry run: nothing was changed\):\n {2}1 deleted accounts stripped of personal data\n/,
    );
    expect(out).toContain('\n  1 addresses removed that only deleted accounts');
    expect(await canonicalExportOf(data.db)).toEqual(before);
    const { out: json } = await onecontact(['purge', '--older-than', '1d', '--dry-run', '--json'], env);
    expect(JSON.parse(json)).toEqual({ before: expect.any(String), dry_run: true, ...counts });
  });

  it('purges older data and prints the numbers with --json; a second run purges nothing', async () => {
    const started = Date.now();
    const { code, out, err } = await onecontact(['purge', '--json', '--older-than', '36h'], env);
    expect([code, err]).toEqual([0, '']);
    const { before, ...answer } = JSON.parse(out);
    expect(answer).toEqual({ dry_run: false, ...counts });
    expect(Math.abs(Date.parse(before) - (started - 1.5 * DAY))).toBeLessThan(60_000);
    expect((await canonicalExportOf(data.db)).map((line) => JSON.parse(line).addresses[0])).toEqual([
      'b@mail.test',
      'c@mail.test',
    ]);
    const again = await onecontact(['purge', '--older-than', '36h'], env);
    expect(again.out).toMatch(/^Older than [^\n]+ UTC:\n( {2}0 [^\n]+\n){7}$/);
  });

  it('shows its progress on a terminal', async () => {
    const terminal = () =>
      Object.assign(new EventEmitter(), { isTTY: true, write: (text: string) => shown.push(text) > 0 });
    const shown: string[] = [];
    await run(['purge', '--older-than', '1d', '--json'], { env, stdout: terminal(), stderr: terminal() });
    expect(shown).toContain('\r\u001b[Kpass 1 of 5: looked at 2 rows of email_address');
    expect(shown.slice(-2)).toEqual(['\r\u001b[K', expect.stringMatching(/^\{"before"/)]);
  });

  it.each([
    ['30d', 30 * DAY],
    ['1d', DAY],
    ['24h', DAY],
    ['1440m', DAY],
    ['9999999d', 9_999_999 * DAY],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it('accepts an age that reaches back beyond 1970', async () => {
    const { code, out } = await onecontact(['purge', '--older-than', '9999999d', '--json'], env);
    expect([code, JSON.parse(out).before]).toEqual([0, '1970-01-01T00:00:00.000Z']);
  });

  it.each([
    ['nothing', []],
    ['no duration', ['--older-than']],
    ['no unit', ['--older-than', '30']],
    ['another unit', ['--older-than', '30w']],
    ['a fraction', ['--older-than', '1.5d']],
    ['a negative one', ['--older-than=-30d']],
    ['a word', ['--older-than', 'month']],
    ['an endless one', ['--older-than', '99999999d']],
    ['an argument', ['--older-than', '30d', 'now']],
  ])('answers bad usage with 2: %s', async (_, args) => {
    const { code, out, err } = await onecontact(['purge', ...args], env);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
  });

  it.each(['23h', '1439m', '0d'])('refuses %s, which is less than a day, and says why', async (duration) => {
    const { code, err } = await onecontact(['purge', '--older-than', duration], env);
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('It must be a day (1d) or more, longer than events can be late'),
    ]);
  });

  it('reports an unreachable database without a stack trace', async () => {
    const away = { DATABASE_URL: 'postgresql://user:top-secret@127.0.0.1:1/none' };
    const { code, out, err } = await onecontact(['purge', '--older-than', '30d'], away);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^onecontact: The database cannot be used \(\w+\): check DATABASE_URL[^\n]*\n$/);
  });

  it('shows examples in its help, and says that the service does the same', async () => {
    const { code, out } = await onecontact(['purge', '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/\nExamples:\n {2}\$ /);
    expect(out).toContain('does the same slowly once a day');
  });
});
