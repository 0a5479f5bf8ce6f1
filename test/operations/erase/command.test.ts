import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, signup } from '../../support/events';
import { apply } from '../../support/stored';
import { tracesOf } from '../../support/traces';

describe('onecontact erase', () => {
  let data: TestDatabase;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    data = await freshDatabase();
    env = { DATABASE_URL: data.url, ERASURE_KEY: 'a key for erasure in tests' };
    for (const name of ['ada', 'eve', 'joe']) {
      for (const event of [acct(name, name, 1), signup(`${name}2`, ['x'], 2), acct(name, `${name}2`, 3)]) {
        await apply(data.db, event);
      }
    }
  });
  afterAll(() => data?.drop());

  it('prints what it would delete with --dry-run, and changes nothing', async () => {
    const { code, out } = await onecontact(['erase', ' Ada@Mail.test', '--dry-run'], env);
    expect([code, out]).toEqual([
      0,
      'Would be deleted: 2 contacts, 2 addresses, 1 account, 2 claims, 1 choice, 2 tokens, 1 merge, 2 pending messages. Nothing was changed.\n',
    ]);
    expect((await onecontact(['show', 'ada@mail.test'], env)).code).toBe(0);
    expect((await onecontact(['erase', 'nobody@mail.test', '--dry-run'], env)).out).toMatch(
      /^The address is unknown: .* Nothing was changed\.\n$/,
    );
  });

  it('erases, and prints numbers without any personal data', async () => {
    const { code, out, err } = await onecontact(['erase', 'ada2@mail.test'], env);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      /^Deleted: 2 contacts, .*\.\nEvents up to \d{4}-\d\d-\d\dT[\d:.]+Z that name the person are dropped\.\n$/,
    );
    expect(out).not.toContain('ada');
    expect(await tracesOf(data, ['ada@', 'ada2@'])).toEqual([]);
    expect((await onecontact(['show', 'ada@mail.test'], env)).code).toBe(1);
  });

  it('prints the numbers as JSON with --json', async () => {
    const { code, out } = await onecontact(['erase', 'eve@mail.test', '--json'], env);
    expect([code, JSON.parse(out)]).toEqual([
      0,
      {
        known: true,
        until: expect.stringMatching(/Z$/),
        dry_run: false,
        deleted: { contacts: 2, addresses: 2, accounts: 1, claims: 2, choices: 1, tokens: 2, merges: 1, messages: 2 },
      },
    ]);
  });

  it('remembers an unknown address, and says that it was unknown', async () => {
    const { code, out } = await onecontact(['erase', 'nobody@mail.test'], env);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^The address is unknown: nothing to delete\. It is remembered, in a keyed hash\. Events up to .*\n$/,
    );
    expect(JSON.parse((await onecontact(['erase', 'nobody@mail.test', '--json'], env)).out)).toMatchObject({
      known: false,
    });
  });

  it.each(['', 'nonsense', 'a@b@c.test', 'null@mail.test'])(
    'exits with 2 for a malformed address: "%s"',
    async (address) => {
      const { code, out, err } = await onecontact(['erase', address], env);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^error: the address (is|has) /);
    },
  );

  it('refuses a missing, a short or a changed key, and says what to do', async () => {
    const withKey = (key: string | undefined) => onecontact(['erase', 'joe@mail.test'], { ...env, ERASURE_KEY: key });
    for (const none of [undefined, '']) {
      expect(await withKey(none)).toEqual({
        ...{ code: 1, out: '' },
        err: 'onecontact: ERASURE_KEY is not set: set it to a secret of 16 characters or more, here and for the service, and keep it.\n',
      });
    }
    expect((await withKey('short')).err).toContain('ERASURE_KEY: must have 16 characters or more');
    expect((await withKey('another key for erasure')).err).toMatch(/^onecontact: ERASURE_KEY is not the key [^\n]*\n$/);
    expect((await onecontact(['show', 'joe@mail.test'], env)).code).toBe(0);
  });

  it('requires --yes on a terminal', async () => {
    const atTerminal = (...args: string[]) => onecontact(['erase', 'joe@mail.test', ...args], env, { isTTY: true });
    expect(await atTerminal()).toEqual({
      ...{ code: 2, out: '' },
      err: expect.stringMatching(/^error: this cannot be undone: say --yes/),
    });
    expect(await atTerminal('--dry-run')).toMatchObject({ code: 0, out: expect.stringContaining('Would be deleted') });
    expect(await atTerminal('--yes')).toMatchObject({ code: 0, out: expect.stringContaining('Deleted: 2 contacts') });
  });

  it('reports an unreachable database like every command', async () => {
    const away = { ...env, DATABASE_URL: 'postgresql://user:top-secret@127.0.0.1:1/none' };
    const { code, out, err } = await onecontact(['erase', 'joe@mail.test'], away);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^onecontact: The database cannot be used \(\w+\): check DATABASE_URL[^\n]*\n$/);
  });
});
