import { describe, expect, it } from '@jest/globals';
import { onecontact } from '../support/command-line';

describe('onecontact', () => {
  const wrong = [
    [],
    ['nonsense'],
    ['show'],
    ['show', 'a@mail.test', 'b@mail.test'],
    ['show', 'neither-address-nor-id'],
    ['export', '--nonsense'],
    ['start', '--only', 'nonsense'],
    ['start', '--only', ''],
    ['start', '--only', 'fxa,'],
    ['migrate', 'now'],
  ];
  it.each(wrong.map((args) => [args.join(' '), args] as const))(
    'exits with 2 on bad usage: %s',
    async (_shown, args) => {
      const { code, out, err } = await onecontact([...args], { DATABASE_URL: 'postgresql://127.0.0.1:1/none' });
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^(error|Usage):? /);
    },
  );

  it.each([
    'start',
    'migrate',
    'demo',
    'show',
    'export',
    'feed',
    'import',
    'opt-out',
    'consent',
    'merges',
    'collisions',
    'erase',
    'purge',
    'dead-letters',
    'audit',
    'erasures',
    'topology',
  ])('shows examples in the help of %s', async (command) => {
    const { code, out } = await onecontact([command, '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/\nExamples:\n {2}\$ /);
  });

  it.each(['list', 'show', 'replay', 'drop'])('shows examples in the help of dead-letters %s', async (command) => {
    const { code, out } = await onecontact(['dead-letters', command, '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/\nExamples:\n {2}\$ /);
  });

  const AWAY = { DATABASE_URL: 'postgresql://127.0.0.1:1/none', ERASURE_KEY: 'a key for erasure in tests' };

  it.each([
    ['show'],
    ['consent'],
    ['erase', '--yes'],
    ['opt-out', '--reason', 'asked'],
    ['merges', 'preview', '9f3c1a7be2d84c06b5a1e0774cd2f8aa'],
    ['merges', 'unblock', '--yes', '9f3c1a7be2d84c06b5a1e0774cd2f8aa'],
    ['collisions', 'resolve', '9f3c1a7be2d84c06b5a1e0774cd2f8aa'],
    ['audit', '--address'],
    ['dead-letters', 'list', '--address'],
  ])('takes an address that begins with a dash, with and without -- before it: %s %s', async (...words) => {
    const command = words.filter((word) => word !== undefined);
    const needsBroker = command[0] === 'dead-letters';
    const away = needsBroker ? { AMQP_URL: 'amqp://127.0.0.1:1' } : AWAY;
    const understood = needsBroker ? /^onecontact: The broker cannot be/ : /^onecontact: The database cannot be used/;
    const isOption = command.at(-1) === '--address';
    for (const address of ['-secret@mail.test', "-o'hara@mail.test", '--help@mail.test', '-V=1@mail.test']) {
      for (const args of [[address], ...(isOption ? [] : [['--', address]])]) {
        const { code, out, err } = await onecontact([...command, ...args], away);
        expect([args, code, out]).toEqual([args, 1, '']);
        expect(err).toMatch(understood);
      }
    }
  });

  it('takes an address that looks like an option with a value only after --', async () => {
    const { code, out, err } = await onecontact(['show', '--foo=secret@mail.test']);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: no option has an @: write -- before an address that looks like an option\n/);
    expect(err).not.toMatch(/secret|mail\.test/);
    expect((await onecontact(['show', '--', '--foo=secret@mail.test'], AWAY)).err).toMatch(/^onecontact: The database/);
  });

  it.each([
    [['secret@mail.test']],
    [['merges', "o'secret@mail.test"]],
    [['dead-letters', 'list', '--limit', 'secret@mail.test']],
    [['dead-letters', 'list', '--address', 'se@cret@mail.test']],
    [['dead-letters', 'drop', 'secret@mail.test']],
    [['collisions', 'list', '--limit=secret@mail.test']],
    [['show', '--json=secret@mail.test']],
  ])('does not repeat an address at a wrong place: %j', async (args) => {
    const { code, out, err } = await onecontact(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
    expect(err).not.toMatch(/secret|cret@|mail\.test/);
  });

  it('exits with 0 for --help and --version', async () => {
    expect(await onecontact(['--help'])).toMatchObject({ code: 0, err: '' });
    expect((await onecontact(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('lists all missing variables at once, and names the demo', async () => {
    const { code, err } = await onecontact(['start'], { HTTP_PORT: 'x' });
    expect(code).toBe(1);
    for (const name of ['AMQP_URL', 'DATABASE_URL', 'HTTP_PORT']) expect(err).toContain(`\n  ${name}: `);
    expect(err).toContain('npm run demo');
  });

  it.each(['migrate', 'export', 'show a@mail.test'])(
    'reports an unreachable database without a stack: %s',
    async (command) => {
      const env = { DATABASE_URL: 'postgresql://user:top-secret@127.0.0.1:1/none' };
      const { code, out, err } = await onecontact(command.split(' '), env);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^onecontact: The database cannot be used \(\w+\): check DATABASE_URL[^\n]*\n$/);
    },
  );

  /** The URL of the test's server, made wrong. */
  const wrongly = (change: (url: URL) => void): string => {
    const url = new URL(process.env.TEST_DATABASE_URL as string);
    change(url);
    return url.href;
  };
  it.each<[what: string, url: () => string, says: RegExp]>([
    [
      'password',
      () => wrongly((url) => Object.assign(url, { password: 'top-secret' })),
      /cannot be used \((28P01|Auth\w+)\): the server rejects the user or password in/,
    ],
    [
      'database',
      () => wrongly((url) => Object.assign(url, { pathname: '/none' })),
      /cannot be used \((3D000|Database\w+)\): the database named in DATABASE_URL does not exist/,
    ],
    [
      'server (a broker)',
      () => wrongly((url) => Object.assign(url, { port: brokerPort() })),
      /check DATABASE_URL[^\n]*\n$/,
    ],
    [
      'URL',
      () => 'https://somebody:top-secret@db.test/',
      /\n {2}DATABASE_URL: is not the URL of a PostgreSQL database/,
    ],
    ['text', () => 'top-secret', /\n {2}DATABASE_URL: is not the URL of a PostgreSQL database/],
  ])('says in one sentence what is wrong with DATABASE_URL: another %s', async (_what, url, says) => {
    for (const args of [['migrate'], ['export']]) {
      const { code, out, err } = await onecontact(args, { DATABASE_URL: url() });
      expect([code, out, err]).toEqual([1, '', expect.stringMatching(says)]);
      expect(err).not.toMatch(/top-secret|\n +at /);
    }
  });

  it.each<[what: string, url: () => string, says: RegExp]>([
    ['URL', () => 'https://somebody:top-secret@mq.test/', /\n {2}AMQP_URL: is not the URL of a RabbitMQ broker/],
    ['vhost', () => `${process.env.TEST_AMQP_URL}/none`, /^onecontact: The broker does not open the vhost in AMQP_URL/],
    [
      'port',
      () => 'amqp://somebody:top-secret@127.0.0.1:1',
      /^onecontact: The broker cannot be reached \(ECONNREFUSED\)/,
    ],
  ])('says in one sentence what is wrong with AMQP_URL: another %s', async (_what, url, says) => {
    const { code, out, err } = await onecontact(['dead-letters', 'list'], { AMQP_URL: url() });
    expect([code, out, err]).toEqual([1, '', expect.stringMatching(says)]);
    expect(err).not.toMatch(/top-secret|\n +at /);
  });
});

const brokerPort = (): string => new URL(process.env.TEST_AMQP_URL as string).port;
