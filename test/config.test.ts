import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { apiKeys, databaseUrl, type Need, readConfig, SERVICE_NEEDS, Variables } from '../src/config';
import { isLoopback } from '../src/foundation/hosts';
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
      amqpUrlFile: null,
      databaseUrlFile: null,
      httpHost: '127.0.0.1',
      httpPort: 8080,
      apiKey: null,
      apiKeysFile: null,
      logFormat: null,
      logLevel: 'info',
      batchSize: 500,
      prefetch: 1000,
      publicPreferences: false,
      trustedProxies: null,
      accountsIssuer: null,
      accountsAudience: null,
      accountsJwksUrl: null,
      concurrency: 2,
      mergeMode: 'on',
      mergePercent: 100,
      tokenPolicy: 'address',
      notifyChanges: false,
      notifyConfirmations: false,
      shutdownTimeoutMs: 25_000,
      erasureKey: null,
      erasureKeyFile: null,
      erasureList: null,
      consoleHost: '127.0.0.1',
      consolePort: 8090,
      consoleSocket: null,
      consoleOrigin: null,
      consoleTrustHeader: null,
      auditRetention: '730d',
      compactionOlderThan: '30d',
      compactionEvery: '1d',
      compactionPercent: 10,
    });
  });

  it('reads variables that are set, and treats an empty one as not set', () => {
    const set = {
      HTTP_PORT: '0',
      BATCH_SIZE: '7',
      TOKEN_POLICY: 'account',
      NOTIFY_CHANGES: 'true',
      API_KEY: '',
      LOG_LEVEL: '',
    };
    expect(readConfig({ ...URLS, ...set }, START)).toMatchObject({
      httpPort: 0,
      batchSize: 7,
      tokenPolicy: 'account',
      notifyChanges: true,
      apiKey: null,
      logFormat: null,
      logLevel: 'info',
    });
  });

  it('takes the three variables of an account provider together, with keys from a URL that is safe', () => {
    const accounts = { ACCOUNTS_ISSUER: 'https://accounts.test/', ACCOUNTS_AUDIENCE: '5882386c6d801776' };
    const withKeys = (url: string) => ({ ...URLS, ...accounts, ACCOUNTS_JWKS_URL: url });
    for (const url of [
      'https://accounts.test/jwks',
      'http://127.0.0.1:9000/jwks',
      'http://[::1]/jwks',
      'http://localhost/',
    ])
      expect(readConfig(withKeys(url), START)).toMatchObject({
        accountsJwksUrl: url,
        accountsAudience: '5882386c6d801776',
      });
    for (const url of ['http://accounts.test/jwks', 'https://user:secret@accounts.test/', 'file:///etc/keys', 'jwks']) {
      expect(problems(withKeys(url))).toEqual([
        'The configuration has a problem:',
        '  ACCOUNTS_JWKS_URL: must be an https URL without a password, or an http URL of a loopback address',
      ]);
    }
    expect(problems({ ...URLS, ...accounts })).toEqual([
      'The configuration has a problem:',
      '  ACCOUNTS_JWKS_URL: is not set, although ACCOUNTS_ISSUER and ACCOUNTS_AUDIENCE are: set all three or none',
    ]);
    expect(problems({ ...URLS, ACCOUNTS_ISSUER: 'x' })).toHaveLength(3);
    expect(problems({ ...URLS, ACCOUNTS_ISSUER: 'two words' })[1]).toContain('must be text without spaces');
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
    expect(config).toEqual({ databaseUrl: DATABASE_URL, databaseUrlFile: null });
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

  it('reads whether preference pages are answered, and which proxies are believed', () => {
    const read = (more: NodeJS.ProcessEnv) => {
      const { publicPreferences, trustedProxies } = readConfig({ ...URLS, ...more }, START);
      return [publicPreferences, trustedProxies];
    };
    expect(read({ PUBLIC_PREFERENCES: 'true', TRUSTED_PROXIES: ' 10.0.0.0/8,::1 , loopback' })).toEqual([
      true,
      ['10.0.0.0/8', '::1', 'loopback'],
    ]);
    expect(read({ PUBLIC_PREFERENCES: 'false', TRUSTED_PROXIES: '' })).toEqual([false, null]);
    for (const proxies of [
      'proxy.test',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.1,',
      ',',
      '/8',
      '10.0.0.0/8/8',
      'true',
      '*',
    ]) {
      expect(problems({ ...URLS, TRUSTED_PROXIES: proxies })[1]).toMatch(/^ {2}TRUSTED_PROXIES: must be addresses/);
    }
    expect(problems({ ...URLS, PUBLIC_PREFERENCES: 'yes' })[1]).toBe(
      '  PUBLIC_PREFERENCES: must be one of true, false',
    );
  });

  it('describes every variable', () => {
    for (const [name, { description }] of Object.entries(Variables.shape)) {
      expect([name, description]).toEqual([name, expect.stringMatching(/^.{10,}/)]);
    }
  });
});

describe('a secret in a file', () => {
  let folder: string;
  const file = (content: string): string => {
    const path = join(folder, 'secret');
    writeFileSync(path, content);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'onecontact-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('stands in for the variable, without the line break at its end', () => {
    expect(readConfig({ AMQP_URL_FILE: file(`${URLS.AMQP_URL}\n`) }, ['broker']).amqpUrl).toBe(URLS.AMQP_URL);
    expect(readConfig({ DATABASE_URL_FILE: file(URLS.DATABASE_URL) }, ['database']).databaseUrl).toBe(
      URLS.DATABASE_URL,
    );
    expect(readConfig({ ERASURE_KEY_FILE: file('0123456789abcdef\r\n') }, ['erasure']).erasureKey).toBe(
      '0123456789abcdef',
    );
  });

  it.each([
    ['an empty file', '\n', /^ {2}DATABASE_URL_FILE: is empty$/],
    ['another URL', 'https://do-not-show-this.test', /^ {2}DATABASE_URL_FILE: is not the URL of a PostgreSQL database/],
  ])('is refused by the name of its file if it is %s', (_what, content, problem) => {
    const lines = problems({ DATABASE_URL_FILE: file(content) }, ['database']);
    expect(lines[1]).toMatch(problem);
    expect(lines.join('\n')).not.toContain('do-not-show-this');
  });

  it('is refused if the file cannot be read', () => {
    const missing = join(folder, 'do-not-show-this');
    expect(problems({ ERASURE_KEY_FILE: missing }, ['erasure'])).toEqual([
      'The configuration has a problem:',
      '  ERASURE_KEY_FILE: cannot be read (ENOENT)',
    ]);
  });

  it('is refused beside the variable itself', () => {
    expect(problems({ AMQP_URL: URLS.AMQP_URL, AMQP_URL_FILE: file(URLS.AMQP_URL) }, ['broker'])[1]).toBe(
      '  AMQP_URL: is set, and so is AMQP_URL_FILE: keep one of them',
    );
  });

  it('keeps its value while the file cannot be used, says so, and takes the next value that can', () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line) => lines.push(line) });
    const path = file(URLS.DATABASE_URL);
    const secret = databaseUrl(readConfig({ DATABASE_URL_FILE: path }, ['database']), log);
    rmSync(path);
    for (const _attempt of [1, 2]) secret.readAgain();
    expect(secret.problems()).toEqual([
      'DATABASE_URL_FILE: cannot be read (ENOENT). The old secret is kept: write the file again.',
    ]);
    file('mysql://user:do-not-show-this@db.test/x');
    secret.readAgain();
    expect(secret.problems()).toEqual([expect.stringMatching(/^DATABASE_URL_FILE: is not the URL of a PostgreSQL/)]);
    expect(secret.value).toBe(URLS.DATABASE_URL);
    const rotated = URLS.DATABASE_URL.replace('secret', 'do-not-show-this');
    file(rotated);
    expect(secret.problems()).toEqual([]);
    expect(secret.value).toBe(rotated);
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('do-not-show-this');
  });

  it('has API keys in a file of its own, beside which API_KEY is the key `default`', () => {
    const open = { ...URLS, HTTP_HOST: '0.0.0.0' };
    const API_KEYS_FILE = file('site read,write do-not-show-this\n');
    const config = readConfig({ ...open, API_KEYS_FILE, API_KEY: 'k' }, START);
    const silent = pino({ level: 'silent' });
    expect(apiKeys(config, silent).value.map(({ name, scopes }) => [name, ...scopes])).toEqual([
      ['default', 'read'],
      ['site', 'read', 'write'],
    ]);
    expect(apiKeys(readConfig({ ...open, API_KEYS_FILE }, START), silent).value).toHaveLength(1);
    file('site admin do-not-show-this\n');
    expect(problems({ ...open, API_KEYS_FILE }).slice(1)).toEqual([
      '  API_KEYS_FILE: line 1: a scope must be one of read, write, vouch, operate',
    ]);
    file('default read do-not-show-this\n');
    expect(problems({ ...open, API_KEYS_FILE, API_KEY: 'k' })[1]).toMatch(
      /^ {2}API_KEYS_FILE: line 1: the name default/,
    );
  });
});
