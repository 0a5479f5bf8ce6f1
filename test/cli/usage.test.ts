import { describe, expect, it } from '@jest/globals';
import { onecontact } from './terminal';

describe('the command line', () => {
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
    'answers bad usage with 2: %s',
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
    'consent',
    'merges',
    'collisions',
    'erase',
    'purge',
    'dead-letters',
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

  it('answers --help and --version with 0', async () => {
    expect(await onecontact(['--help'])).toMatchObject({ code: 0, err: '' });
    expect((await onecontact(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('lists all that is missing at once, and names the demo', async () => {
    const { code, err } = await onecontact(['start'], { HTTP_PORT: 'x' });
    expect(code).toBe(1);
    for (const name of ['AMQP_URL', 'DATABASE_URL', 'HTTP_PORT']) expect(err).toContain(`\n  ${name}: `);
    expect(err).toContain('npm run demo');
  });

  it.each(['migrate', 'export', 'show a@mail.test'])(
    'tells without a stack when the database is away: %s',
    async (command) => {
      const env = { DATABASE_URL: 'postgresql://user:top-secret@127.0.0.1:1/none' };
      const { code, out, err } = await onecontact(command.split(' '), env);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^onecontact: The database cannot be used \(\w+\): check DATABASE_URL[^\n]*\n$/);
    },
  );
});
