import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { allRows, keepRows } from '../../../tools/table-rows';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, confirm, optout, signup, uidOf } from '../../support/events';
import { apply } from '../../support/stored';

const KEY = 'a key for erasure in tests';
let data: TestDatabase;
let empty: () => Promise<void>;
beforeAll(async () => {
  data = await freshDatabase();
  empty = await keepRows(data);
});
beforeEach(() => empty());
afterAll(() => data?.drop());

const env = (more: NodeJS.ProcessEnv = {}) => ({ DATABASE_URL: data.url, OPERATOR: 'grace', ...more });
const run = (...args: string[]) => onecontact(args, env());
const optOut = (...args: string[]) => run('opt-out', '--reason', 'asked by letter', ...args);
const json = async (...args: string[]) => JSON.parse((await optOut('--json', ...args)).out);
const key = (name: string): string => addressOf(name).key;
const show = async (name: string) => JSON.parse((await run('show', '--json', key(name))).out);
const fileOf = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'onecontact-')), 'list.txt');
  writeFileSync(path, text);
  return path;
};
/** A sign-up in which the reader proves the address. */
const proven = (name: string, t: number) => signup(name, ['x'], t, { optin: true });
const outbox = async (): Promise<string[]> =>
  (
    await data.sql<{ type: string }>("SELECT type FROM outbox UNION ALL SELECT 'contact.changed' FROM outbox_changes")
  ).map(({ type }) => type);

describe('onecontact opt-out', () => {
  it('opts the person of an address out of all email, with the reason, as an unsubscribe from all email would', async () => {
    await apply(data.db, acct('u', 'ada', 1), acct('u', 'old', 2), proven('ada', 3));
    expect(await optOut(' ADA@mail.test')).toEqual({ code: 0, out: 'Opted out 1 address.\n', err: '' });
    expect(await show('old')).toMatchObject({
      opted_out: true,
      opt_out_reason: 'asked by letter',
      newsletters: { x: { state: 'unsubscribed' } },
    });
    const [choice] = JSON.parse((await run('consent', '--json', key('ada'))).out).choices.slice(-1);
    expect(choice).toMatchObject({
      ...{ act: 'opt_out', newsletter: '', proven: false, counts: true, source: 'onecontact opt-out' },
      ...{ origin: { kind: 'address', key: key('ada') }, reason: 'asked by letter' },
    });
  });

  it('gives an unknown address a contact that is opted out, so that a later sign-up stays unmailed without a proof', async () => {
    expect(await json(key('new'), key('ada'))).toEqual({
      ...{ opted_out: 2, unknown: 2, already: 0, invalid: [], dry_run: false },
    });
    expect(await show('new')).toMatchObject({ opted_out: true, newsletters: {}, mailable: false });
    expect((await optOut(key('other'))).out).toBe('Opted out 1 address, of which 1 was unknown and got a contact.\n');
  });

  it('changes nothing when it is run again, also when the reader has opted out once more', async () => {
    await apply(data.db, proven('ada', 1));
    await optOut(key('ada'));
    const before = await allRows(data);
    expect(await json(key('ada'), key('ada'))).toMatchObject({ opted_out: 0, already: 2 });
    expect((await optOut(key('ada'))).out).toBe(
      'Opted out 0 addresses.\n1 address had been opted out with this command before.\n',
    );
    expect(await allRows(data)).toEqual(before);
    await apply(data.db, { ...optout('ada', 0), at: Date.now() + 1_000 });
    expect(await json(key('ada'))).toMatchObject({ opted_out: 0, already: 1 });
  });

  it("counts beside a reader's own opt-out, which a late proof of consent could lift, and again after a later proof", async () => {
    await apply(data.db, optout('ada', 1));
    expect(await json(key('ada'))).toMatchObject({ opted_out: 1, already: 0 });
    await apply(data.db, proven('ada', 2));
    expect(await show('ada')).toMatchObject({ opted_out: true });
    await apply(data.db, { ...confirm('ada', 0), at: Date.now() + 1 });
    expect(await show('ada')).toMatchObject({ opted_out: false });
    await data.sql(`UPDATE choice SET at = at - interval '1 second' WHERE source IS NOT NULL OR act = 'confirm'`);
    expect(await json(key('ada'))).toMatchObject({ opted_out: 1, already: 0 });
    expect(await show('ada')).toMatchObject({ opted_out: true });
  });

  it('is in the audit with who and why, one entry a person, and none for a dry run or a repetition', async () => {
    await optOut('--dry-run', key('ada'));
    await optOut(key('ada'), key('bea'));
    await optOut(key('ada'));
    const entries = (await run('audit', '--json')).out.trimEnd().split('\n');
    expect(entries.map((line) => JSON.parse(line))).toEqual(
      ['bea', 'ada'].map((name) => ({
        ...{ at: expect.any(String), operator: 'grace', command: 'opt-out', reason: 'asked by letter' },
        ...{ target: { email: key(name) }, result: { result: 'opted_out' } },
      })),
    );
  });

  it('announces only what an event would: the changed contact, where the service announces that', async () => {
    await apply(data.db, proven('ada', 1), proven('bea', 1));
    await data.sql('DELETE FROM outbox');
    await data.sql('DELETE FROM outbox_changes');
    await optOut(key('ada'));
    expect(await outbox()).toEqual([]);
    await onecontact(['opt-out', '--reason', 'r', key('bea')], env({ NOTIFY_CHANGES: 'true' }));
    expect(await outbox()).toEqual(['contact.changed']);
  });

  it('says with --dry-run what it would do, and changes nothing', async () => {
    await apply(data.db, proven('ada', 1));
    const before = await allRows(data);
    expect((await optOut('--dry-run', key('ada'), key('new'))).out).toBe(
      'Would opt out 2 addresses, of which 1 was unknown and would get a contact.\nNothing was changed.\n',
    );
    expect(await allRows(data)).toEqual(before);
  });

  it('takes a file with an address a line, and reports lines that are none by their numbers, without repeating them', async () => {
    await apply(data.db, proven('ada', 1));
    const file = fileOf(
      '\ufeffAda@mail.test\r\n\r\n  new@mail.test \nsecret\n-dash@mail.test\na@b@secret.test\nada@mail.test',
    );
    const { code, out, err } = await optOut('--file', file);
    expect([code, err]).toEqual([1, '']);
    expect(out).toBe(
      'Opted out 3 addresses, of which 2 were unknown and got a contact.\n' +
        '1 address had been opted out with this command before.\n' +
        'Line 4: the address has no @.\nLine 6: the address has more than one @.\n',
    );
    expect(await json('--file', file)).toEqual({
      ...{ opted_out: 0, unknown: 0, already: 4, dry_run: false },
      invalid: [
        { line: 4, problem: 'the address has no @' },
        { line: 6, problem: 'the address has more than one @' },
      ],
    });
    for (const name of ['ada', 'new', '-dash']) expect(await show(name)).toMatchObject({ opted_out: true });
    expect(await optOut('--file', `${file}.none`)).toEqual({
      ...{ code: 1, out: '' },
      err: 'onecontact: The file cannot be read (ENOENT): name a text file with one address per line.\n',
    });
  });

  it('continues after an address that the database refuses, and reports it', async () => {
    await data.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'ada@%') EXECUTE FUNCTION refuse()`);
    try {
      expect((await optOut('--file', fileOf('ada@mail.test\nbea@mail.test\n'))).out).toMatch(
        /^Opted out 1 address, .*\nLine 1: the database failed \(P0001\)\.\n$/,
      );
      expect((await optOut(key('ada'))).out).toMatch(/\nNot done: the database failed \(P0001\)\.\n$/);
    } finally {
      await data.sql('DROP FUNCTION refuse CASCADE');
    }
    expect(await json(key('ada'), key('bea'))).toMatchObject({ opted_out: 1, already: 1 });
  });

  it('opts out an address that could not be a reader’s today only where it is stored', async () => {
    await apply(data.db, proven('ada', 1));
    await data.sql(`UPDATE email_address SET address = '"ada"@mail.test'`);
    await data.sql(`UPDATE choice SET origin = '"ada"@mail.test'`);
    expect(await optOut('"ada"@mail.test', '"eve"@mail.test')).toEqual({
      code: 1,
      out: 'Opted out 1 address.\nNot done: no contact has the address, and it has mail-header syntax in its local part.\n',
      err: '',
    });
    const choices = await data.sql<{ origin: string }>(`SELECT origin FROM choice WHERE act = 'opt_out'`);
    expect(choices).toEqual([{ origin: '"ada"@mail.test' }]);
    expect((await run('audit', '--json')).out.trimEnd().split('\n')).toHaveLength(1);
  });

  it('does nothing on bad usage: no address, both kinds, text that is not an address, no reason', async () => {
    for (const args of [
      ['--reason', 'r'],
      ['--reason', 'r', '--file', 'list.txt', key('ada')],
      ['--reason', 'r', key('ada'), 'secret'],
      [key('ada')],
      ['--reason', ' ', key('ada')],
    ]) {
      const { code, out, err } = await run('opt-out', ...args);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^error: /);
      expect(err).not.toMatch(/secret|mail\.test/);
    }
    expect(await data.sql('SELECT FROM choice')).toEqual([]);
  });

  it('is erased with the person, and is not made again then', async () => {
    await optOut(key('ada'));
    await onecontact(['erase', key('ada'), '--yes'], env({ ERASURE_KEY: KEY }));
    expect(JSON.stringify(await allRows(data))).not.toMatch(/ada@|letter/);
    expect((await onecontact(['audit', '--export'], env({ ERASURE_KEY: KEY }))).out).toBe('');
  });

  it('is made again after a restore, where the address is stored and it was not made yet', async () => {
    await apply(data.db, proven("o'hara@mail.test", 1), acct('u', 'main', 1), acct('u', 'ada', 2));
    const restore = await keepRows(data, 'older');
    await optOut("o'hara@mail.test", key('ada'), key('unknown'));
    const withKey = env({ ERASURE_KEY: KEY });
    const { out: exported } = await onecontact(['audit', '--export'], withKey);
    expect(exported).not.toMatch(/@|letter/);
    const decisions = fileOf(exported);
    await restore();
    await data.sql('DROP SCHEMA older CASCADE');
    const again = async () => (await onecontact(['audit', '--again', decisions], withKey)).out.split('\n');
    const command = "onecontact opt-out --reason 'again, after a restore' --";
    expect(await again()).toEqual([
      `${command} 'o'\\''hara@mail.test'`,
      `${command} 'ada@mail.test'`,
      expect.stringMatching(/^# 20\S+ opt-out: no contact has the address$/),
      '',
    ]);
    await run('opt-out', '--reason', 'again, after a restore', '--', "o'hara@mail.test");
    expect((await again())[0]).toMatch(/^# 20\S+ opt-out: done already$/);
    expect(await show('main')).toMatchObject({ account_id: uidOf('u'), opted_out: false });
    expect(at(0)).toBeLessThan(Date.now());
  });
});
