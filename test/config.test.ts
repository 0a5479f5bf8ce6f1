import { describe, expect, it } from '@jest/globals';
import { isLoopback, type Need, readConfig, SERVICE_NEEDS, Variables } from '../src/config';
import { OperatorError } from '../src/foundation/operator-error';

const URLS = { AMQP_URL: 'amqp://user:secret@broker.test/vhost', DATABASE_URL: 'postgresql://user:secret@db.test/x' };
const START = [...SERVICE_NEEDS, 'lookUps'] as const;

/** The lines of the error. */
function problems(env: NodeJS.ProcessEnv, needs: readonly Need[] = START): string[] {
  try {
    readConfig(env, needs);
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    return (error as Error).message.split('\n');
  }
  throw new Error('it was accepted');
}

describe('readConfig', () => {
  it('has the defaults of the contract', () => {
    expect(readConfig(URLS, START)).toEqual({
      amqpUrl: URLS.AMQP_URL,
      databaseUrl: URLS.DATABASE_URL,
      httpHost: '127.0.0.1',
      httpPort: 8080,
      apiKey: null,
      logLevel: 'info',
      batchSize: 500,
      prefetch: 1000,
      concurrency: 2,
      mergeMode: 'on',
      mergePercent: 100,
      tokenPolicy: 'address',
      shutdownTimeoutMs: 25_000,
      erasureKey: null,
    });
  });

  it('reads variables that are set, and treats an empty one as not set', () => {
    const set = { HTTP_PORT: '0', BATCH_SIZE: '7', TOKEN_POLICY: 'account', API_KEY: '', LOG_LEVEL: '' };
    expect(readConfig({ ...URLS, ...set }, START)).toMatchObject({
      httpPort: 0,
      batchSize: 7,
      tokenPolicy: 'account',
      apiKey: null,
      logLevel: 'info',
    });
  });

  it('returns a frozen object', () => {
    const config = readConfig(URLS, START) as { httpPort: number };
    expect(() => {
      config.httpPort = 1;
    }).toThrow(TypeError);
  });

  it('lists all problems at once, by name', () => {
    const env = { HTTP_PORT: '80 80', LOG_LEVEL: 'loud', BATCH_SIZE: '0', DATABASE_URL: 'mysql://db.test/x' };
    const lines = problems(env);
    expect(lines[0]).toBe('The configuration has 5 problems:');
    expect(lines.slice(1).map((line) => line.trim().split(':')[0])).toEqual([
      'AMQP_URL',
      'DATABASE_URL',
      'HTTP_PORT',
      'LOG_LEVEL',
      'BATCH_SIZE',
    ]);
  });

  it('never shows a value that may be a secret', () => {
    const secret = 'do-not-show-this';
    const env = Object.fromEntries(Object.keys(Variables.shape).map((name) => [name, `${secret} ü`]));
    expect(problems(env).length).toBeGreaterThan(8);
    expect(problems(env).join('\n')).not.toContain(secret);
    expect(problems({ ...URLS, AMQP_URL: `http://user:${secret}@broker.test` }).join('\n')).not.toContain(secret);
  });

  it.each(['1e3', '0x10', '-1', '1.5', ' 8', '65536', '99999999999999'])('refuses the port %j', (HTTP_PORT) => {
    expect(problems({ ...URLS, HTTP_PORT })[1]).toBe('  HTTP_PORT: must be a whole number from 0 to 65535');
  });

  it.each(['amqp://', 'amqp:broker', 'broker.test:5672', 'https://broker.test'])(
    'refuses the broker %j',
    (AMQP_URL) => {
      expect(problems({ ...URLS, AMQP_URL })[1]).toMatch(
        /^ {2}AMQP_URL: .* such as amqp:|^ {2}AMQP_URL: .* like amqp:/,
      );
    },
  );

  it('takes several brokers, each with its own URL', () => {
    const AMQP_URL = 'amqp://ada:a,b@one.test/vhost,amqps://two.test:5671/vhost';
    expect(readConfig({ ...URLS, AMQP_URL }, START).amqpUrl).toBe(AMQP_URL);
  });

  it.each([
    'amqp://user:secret@one.test,two.test/vhost',
    'amqp://one.test:5672,two.test:5672/vhost',
    'amqp://one.test,',
  ])('refuses %j, which has several hosts in one URL, and says how to write it', (AMQP_URL) => {
    expect(problems({ ...URLS, AMQP_URL })[1]).toBe(
      '  AMQP_URL: has several hosts in one URL: give each host a URL, with a comma between them, such as ' +
        'amqp://user:password@one:5672/vhost,amqp://user:password@two:5672/vhost',
    );
  });

  it('names the demo when neither a broker nor a database is configured', () => {
    expect(problems({}).at(-1)).toContain('npm run demo');
    expect(problems({ AMQP_URL: URLS.AMQP_URL }).join('\n')).not.toContain('npm run demo');
    expect(problems({}, ['database']).join('\n')).not.toContain('npm run demo');
  });

  it('ignores variables that the command does not need', () => {
    const { DATABASE_URL } = URLS;
    const config = readConfig({ DATABASE_URL, AMQP_URL: 'rubbish', HTTP_PORT: 'rubbish' }, ['database']);
    expect(config).toEqual({ databaseUrl: DATABASE_URL });
  });

  it('requires an API key for look-ups unless HTTP listens on loopback', () => {
    const open = { ...URLS, HTTP_HOST: '0.0.0.0' };
    expect(problems(open)[1]).toMatch(/^ {2}API_KEY: is not set/);
    expect(readConfig({ ...open, API_KEY: 'k' }, START).apiKey).toBe('k');
    expect(readConfig(open, SERVICE_NEEDS).httpHost).toBe('0.0.0.0'); // HTTP does not run
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(isLoopback(host)).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.test']) expect(isLoopback(host)).toBe(false);
  });

  it('reads observe mode and the percentage of accounts that merge', () => {
    const { mergeMode, mergePercent } = readConfig({ ...URLS, MERGE_MODE: 'observe', MERGE_PERCENT: '5' }, START);
    expect([mergeMode, mergePercent]).toEqual(['observe', 5]);
    expect(problems({ ...URLS, MERGE_MODE: 'off', MERGE_PERCENT: '101' }).slice(1)).toEqual([
      '  MERGE_MODE: must be one of on, observe',
      '  MERGE_PERCENT: must be a whole number from 0 to 100',
    ]);
  });

  it('describes every variable', () => {
    for (const [name, { description }] of Object.entries(Variables.shape)) {
      expect([name, description]).toEqual([name, expect.stringMatching(/^.{10,}/)]);
    }
  });
});
