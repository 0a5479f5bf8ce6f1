import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { knownMigrations } from '../../src/postgres/migrations/migrate';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup, uidOf, unsub } from '../support/events';
import { apply } from '../support/stored';

describe('onecontact show, export and migrate', () => {
  let data: TestDatabase;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    data = await freshDatabase();
    env = { DATABASE_URL: data.url };
    const profile = { firstName: 'A\u001b[31mda', lang: 'fr' };
    const events = [
      acct('u1', 'ada', 1),
      signup('Ada@Mail.test', ['b', '10', '9'], 2, { profile }),
      unsub('Ada@Mail.test', ['b'], 3),
    ];
    await apply(data.db, ...events, signup('zoe', ['b'], 4));
  });
  afterAll(() => data?.drop());

  it('show prints a contact, found by any of its keys, one field a line', async () => {
    const { out, code } = await onecontact(['show', ' Ada@Mail.TEST '], env);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^contact +[0-9a-f-]{36} {2}version 1\ntoken +[0-9a-f-]{36}\naddresses +Ada@Mail\.test {2}primary, verified\n/,
    );
    expect(out).toContain(`account        ${uidOf('u1')}\nname           A\ufffd[31mda\nlanguage       fr\n`);
    expect(out).toMatch(
      /\nnewsletters +10 +subscribed +since .*\n +9 +subscribed .*\n +b +unsubscribed +since 2026-01-01 00:00:03\n$/,
    );
  });

  it('show --json prints the body of the HTTP response', async () => {
    const body = JSON.parse((await onecontact(['show', 'ada@mail.test', '--json'], env)).out);
    expect(body.emails).toEqual([{ address: 'Ada@Mail.test', primary: true, verified: true }]);
    expect(body).toMatchObject({ account_id: uidOf('u1'), lang: 'fr', newsletters: { b: { state: 'unsubscribed' } } });
    for (const key of [body.contact_id, body.basket_token, body.account_id]) {
      expect(JSON.parse((await onecontact(['show', '--json', key], env)).out)).toEqual(body);
    }
  });

  it('show fails for an unknown key without repeating it', async () => {
    const answer = await onecontact(['show', '--json', 'nobody@mail.test'], env);
    expect(answer).toEqual({ code: 1, out: '', err: 'onecontact: No contact found.\n' });
  });

  it('export --canonical prints sorted lines without generated ids and times', async () => {
    expect((await onecontact(['export', '--canonical'], env)).out).toBe(
      `{"addresses":["ada@mail.test"],"account":"${uidOf('u1')}","primary":"ada@mail.test","first_name":"A\\u001b[31mda","last_name":null,"country":null,"lang":"fr","format":null,"opted_out":false,"double_opt_in":true,"newsletters":{"10":"subscribed","9":"subscribed","b":"unsubscribed"}}\n` +
        '{"addresses":["zoe@mail.test"],"account":null,"primary":"zoe@mail.test","first_name":null,"last_name":null,"country":null,"lang":null,"format":null,"opted_out":false,"double_opt_in":false,"newsletters":{"b":"subscribed"}}\n',
    );
  });

  it('export prints ids, tokens, versions and times', async () => {
    const { out, err } = await onecontact(['export'], env);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ addresses }) => addresses)).toEqual([['ada@mail.test'], ['zoe@mail.test']]);
    expect(lines.map(({ emails }) => emails)).toEqual([
      [{ address: 'Ada@Mail.test', primary: true, verified: true }],
      [{ address: 'zoe@mail.test', primary: true, verified: false }],
    ]);
    expect(lines[1]).toMatchObject({ version: 1, newsletters: { b: { since: '2026-01-01T00:00:04.000Z' } } });
    expect(err).toBe(''); // progress is shown on a terminal only
  });

  it('every output is free of characters that steer a terminal, and on a terminal only', async () => {
    const steering = '\u009b31m\u202e';
    const profile = { lastName: `L${steering}` };
    await apply(data.db, signup('eve', [steering], 5, { profile }));
    for (const args of [['export'], ['export', '--canonical'], ['show', 'eve@mail.test', '--json']]) {
      const [piped, shown] = [await onecontact(args, env), await onecontact(args, env, undefined, true)];
      expect(piped.out).toContain(steering);
      expect(shown.out).not.toMatch(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
      const parsed = ({ out }: { out: string }) =>
        out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
      expect(parsed(shown)).toEqual(parsed(piped));
    }
    const { out } = await onecontact(['show', 'eve@mail.test'], env, undefined, true);
    expect(out).toContain('L\ufffd31m\ufffd');
    expect(out).not.toMatch(/[\u007f-\u009f\u202e]/);
  });

  it('a database without the schema is refused with the name of the command that creates it', async () => {
    const empty = await freshDatabase({ migrated: false });
    try {
      const { code, err } = await onecontact(['show', 'ada@mail.test'], { DATABASE_URL: empty.url });
      expect([code, err]).toEqual([1, expect.stringContaining('onecontact migrate')]);
      expect(JSON.parse((await onecontact(['migrate', '--json'], { DATABASE_URL: empty.url })).out).applied).toEqual(
        knownMigrations(),
      );
      expect((await onecontact(['migrate'], { DATABASE_URL: empty.url })).out).toContain('nothing to do');
      expect((await onecontact(['export'], { DATABASE_URL: empty.url })).code).toBe(0);
    } finally {
      await empty.drop();
    }
  });

  it('a database that needs a newer version is refused, also by migrate', async () => {
    const newer = await freshDatabase();
    try {
      await newer.sql(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '2999_later', now())`,
      );
      await newer.sql('UPDATE schema_compatibility SET oldest_program = 99');
      for (const args of [['migrate'], ['export']]) {
        const { code, out, err } = await onecontact(args, { DATABASE_URL: newer.url });
        expect([code, out, err]).toEqual([
          1,
          '',
          expect.stringMatching(/needs schema number 99 or higher.*: start the version/),
        ]);
      }
    } finally {
      await newer.drop();
    }
  });

  it('migrate says that the server is read-only', async () => {
    const empty = await freshDatabase({ migrated: false });
    try {
      await empty.sql(
        `ALTER DATABASE "${new URL(empty.url).pathname.slice(1)}" SET default_transaction_read_only = on`,
      );
      const { code, out, err } = await onecontact(['migrate'], { DATABASE_URL: empty.url });
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^onecontact: The database cannot be used \(read_only\): the server is read-only; [^\n]*\n$/);
    } finally {
      await empty.drop();
    }
  });
});
