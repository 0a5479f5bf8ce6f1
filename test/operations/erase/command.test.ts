import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEAD_LETTERS } from '../../../src/rabbitmq/names';
import { withBroker } from '../../support/broker';
import { confirmed, onecontact as run, terminal } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { addDeadLetters, drain } from '../../support/dead-letters';
import { acct, signup, uidOf } from '../../support/events';
import { apply } from '../../support/stored';
import { tracesOf } from '../../support/traces';

const onecontact = (args: string[], env: NodeJS.ProcessEnv) => run(confirmed(args), env);

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
      /^Deleted: 2 contacts, .*\.\nEvents up to \d{4}-\d\d-\d\d [\d:]+ UTC that name the person are dropped\.\nDead letters may still name the person: see `onecontact dead-letters list --address EMAIL`\.\n$/,
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
      /^The address is unknown: nothing to delete\. Its keyed hash is stored\. Events up to .*\nDead letters may .*\n$/,
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

  it('asks on a terminal, after it has shown what would be deleted, and needs --yes elsewhere', async () => {
    const erase = (stdin: Parameters<typeof run>[2], ...args: string[]) =>
      run(['erase', 'joe@mail.test', ...args], env, stdin);
    for (const stdin of [undefined, { isTTY: false }]) {
      expect(await erase(stdin)).toEqual({
        ...{ code: 2, out: '' },
        err: expect.stringMatching(/^error: confirm with --yes, .* --dry-run shows what would be done\n/),
      });
    }
    for (const answer of [undefined, '', 'n', 'yesterday']) {
      expect(await erase(terminal(answer))).toEqual({
        ...{ code: 1, out: '' },
        err: expect.stringMatching(
          /^Would be deleted: 2 contacts, .*\. Nothing was changed\.\nErase for good\? \[y\/N\] onecontact: Not confirmed: nothing was changed\.\n$/,
        ),
      });
    }
    expect((await onecontact(['show', 'joe@mail.test'], env)).code).toBe(0);
    expect(await erase(undefined, '--dry-run')).toMatchObject({ code: 0, err: '' });
    expect(await erase(terminal('Yes'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('Deleted: 2 contacts'),
    });
    expect(await erase(undefined, '--yes')).toMatchObject({ code: 0, err: '' });
  });

  it('erases the person of a contact id, also one without an address; an unknown id erases nothing', async () => {
    for (const event of [acct('id-one', 'id1', 1), acct('id-two', 'id2', 1), acct('id-three', 'id2', 2)])
      await apply(data.db, event);
    const idOf = async (name: string) => {
      const [row] = await data.sql<{ id: string }>('SELECT contact_id AS id FROM account WHERE uid = $1', [
        uidOf(name),
      ]);
      return row?.id as string;
    };
    for (const [name, addresses] of [
      ['id-one', 1],
      ['id-two', 0],
    ] as const) {
      const { code, out } = await onecontact(['erase', '--json', (await idOf(name)).toUpperCase()], env);
      expect([code, JSON.parse(out)]).toMatchObject([
        0,
        { known: true, deleted: { accounts: 1, contacts: 1, addresses } },
      ]);
      expect(await tracesOf(data, [uidOf(name)])).toEqual([]);
    }
    const hashes = await data.sql('SELECT * FROM erasure');
    expect(await onecontact(['erase', '00000000-0000-4000-8000-000000000000'], env)).toEqual({
      ...{ code: 1, out: '' },
      err: 'onecontact: No live contact has this id.\n',
    });
    expect(await data.sql('SELECT * FROM erasure')).toEqual(hashes);
    expect((await onecontact(['show', 'id2@mail.test'], env)).code).toBe(0);
  });

  it('reports an unreachable database like every command', async () => {
    const away = { ...env, DATABASE_URL: 'postgresql://user:top-secret@127.0.0.1:1/none' };
    const { code, out, err } = await onecontact(['erase', 'joe@mail.test'], away);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^onecontact: The database cannot be used \(\w+\): check DATABASE_URL[^\n]*\n$/);
  });
});

describe('onecontact erase --dead-letters', () => {
  const broker = withBroker();
  let data: TestDatabase;
  beforeAll(async () => {
    data = await freshDatabase();
  });
  afterAll(() => data?.drop());

  it('drops the dead letters that name the person by any address, account or token, and no other', async () => {
    await broker().freshTopology();
    const env = { DATABASE_URL: data.url, AMQP_URL: broker().url, ERASURE_KEY: 'a key for erasure in tests' };
    for (const event of [acct('zoe', 'zoe', 1), signup('zoe2', ['x'], 2), acct('zoe', 'zoe2', 3)]) {
      await apply(data.db, event);
    }
    const tokens = await data.sql<{ token: string }>('SELECT token FROM basket_token');
    expect(tokens).toHaveLength(2);
    const named = [
      'email=zoe%40mail.test',
      JSON.stringify({ event: 'newsletter.subscribe', email: ' Zoe2@Mail.TEST ' }),
      JSON.stringify({ event: 'delete', uid: uidOf('zoe') }),
      ...tokens.map(({ token }) => JSON.stringify({ token })),
    ];
    const others = [JSON.stringify({ email: 'xzoe@mail.test' }), '{'];
    const publish = (bodies: string[]) =>
      broker().send('', DEAD_LETTERS, bodies, { persistent: true, headers: { reason: 'failed' } });
    await publish([...named, ...others]);
    await addDeadLetters(broker(), 1);

    const look = await onecontact(['erase', '--dead-letters', '--dry-run', 'zoe@mail.test'], env);
    expect(look).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Nothing was changed\.\nWould drop 5 dead letters\.\n$/),
    });
    expect(await broker().ready(DEAD_LETTERS)).toBe(8);
    const { code, out, err } = await onecontact(['erase', '--dead-letters', 'zoe@mail.test'], env);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^Deleted: 2 contacts, .*\nEvents up to .*\nDropped 5 dead letters\.\n$/);
    expect(out).not.toMatch(/zoe/i);
    expect(await drain(broker())).toEqual([...others, '1']);
    expect(await tracesOf(data, ['zoe', uidOf('zoe')])).toEqual([]);
    const again = await onecontact(['erase', '--dead-letters', '--json', 'zoe@mail.test'], env);
    expect(JSON.parse(again.out)).toMatchObject({ known: false, dead_letters: 0 });
  }, 60_000);

  it('erases nothing while the broker cannot be reached', async () => {
    await apply(data.db, signup('zed', ['x'], 1));
    const env = { DATABASE_URL: data.url, AMQP_URL: 'amqp://127.0.0.1:1', ERASURE_KEY: 'a key for erasure in tests' };
    const { code, err } = await onecontact(['erase', '--dead-letters', 'zed@mail.test'], env);
    expect([code, err]).toEqual([1, expect.stringMatching(/^onecontact: The broker cannot be reached/)]);
    expect((await onecontact(['show', 'zed@mail.test'], env)).code).toBe(0);
  });
});
