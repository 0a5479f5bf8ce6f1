/** The keys of an account provider: kept, read again, and never asked for too often. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { errors, jwtVerify } from 'jose';
import pino from 'pino';
import { IssuerKeys, KeysAway } from '../../src/intake/issuer-keys';
import { claimsOf, type Issuer, startIssuer } from '../../tools/issuer';
import { until } from '../support/broker';

describe('the keys of an issuer', () => {
  let issuer: Issuer;
  let keys: IssuerKeys;
  let now: number;
  let lines: string[];

  beforeEach(async () => {
    issuer = await startIssuer();
    await issuer.addKey('k1', { alg: 'ES256' });
    await issuer.addKey('k2', { alg: 'ES256', published: false });
    [now, lines] = [1_000_000, []];
    const log = pino({}, { write: (line) => void lines.push(line) });
    keys = new IssuerKeys({ url: issuer.url, log, now: () => now });
  });
  afterEach(async () => {
    keys.close();
    await issuer.close();
  });

  const verify = async (kid: string): Promise<string> => {
    const token = await issuer.sign(claimsOf(), { kid });
    now += 1;
    return jwtVerify(token, (header, input) => keys.find(header, input)).then(
      () => 'verified',
      (error: Error) => (error instanceof KeysAway ? `away for ${error.retryAfterSeconds} s` : error.name),
    );
  };

  it('are asked for once, by any number of tokens at once, and again after ten minutes', async () => {
    expect(await Promise.all([verify('k1'), verify('k1'), verify('k1')])).toEqual(Array(3).fill('verified'));
    now += 599_000;
    expect([await verify('k1'), issuer.asked()]).toEqual(['verified', 1]);
    now += 1_000;
    expect([await verify('k1'), issuer.asked()]).toEqual(['verified', 2]);
  });

  it('are read again for an unknown key id, but not within ten seconds', async () => {
    await verify('k1');
    expect([await verify('k2'), issuer.asked()]).toEqual(['away for 10 s', 1]);
    now += 10_000;
    expect([await verify('k2'), issuer.asked()]).toEqual([errors.JWKSNoMatchingKey.name, 2]);
    now += 4_000;
    expect([await verify('k2'), await verify('k1'), issuer.asked()]).toEqual(['away for 6 s', 'verified', 2]);
    issuer.publish('k2');
    now += 6_000;
    expect([await verify('k2'), issuer.asked()]).toEqual(['verified', 3]);
    expect(await verify('k1')).toBe('away for 10 s');
  });

  it('that were taken back are not believed for longer than ten minutes', async () => {
    await verify('k1');
    issuer.publish('k2');
    now += 600_000;
    expect(await verify('k1')).toBe(errors.JWKSNoMatchingKey.name);
  });

  it('serve tokens while their server is away, until they are too old; a failure is not repeated at once', async () => {
    await verify('k1');
    issuer.answers((_request, response) => void response.destroy());
    now += 20_000;
    expect([await verify('k2'), await verify('k1'), issuer.asked()]).toEqual(['away for 10 s', 'verified', 2]);
    now += 600_000;
    expect([await verify('k1'), await verify('k1'), issuer.asked()]).toEqual(['away for 10 s', 'away for 10 s', 3]);
    expect(keys.problems()).toEqual([expect.stringMatching(/^The keys of the account provider cannot be read \(/)]);
    issuer.answers();
    now += 10_000;
    expect(keys.problems()).toHaveLength(1);
    await until(() => keys.problems().length === 0);
    expect(lines.join('')).toMatch(/could not be read.*read again/s);
    expect(lines.join('')).not.toContain('127.0.0.1');
  });

  it.each<[string, Parameters<Issuer['answers']>[0], RegExp]>([
    ['an error', (_request, response) => void response.writeHead(404).end(), /HTTP 404/],
    ['a redirect', (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1/' }).end(), /\(/],
    ['no JSON', (_request, response) => void response.end('<html>'), /not a set of keys/],
    ['no keys', (_request, response) => void response.end('{"keys":[]}'), /not a set of keys/],
    ['keys that are not objects', (_request, response) => void response.end('{"keys":[null,7]}'), /ERR_JWKS_INVALID/],
    ['too much', (_request, response) => void response.end(`"${'x'.repeat(70_000)}"`), /more than 65536 bytes/],
  ])('are not taken from %s', async (_what, answer, problem) => {
    issuer.answers(answer);
    expect(await verify('k1')).toBe('away for 10 s');
    expect(keys.problems()[0]).toMatch(problem);
  });

  it('are waited for only so long', async () => {
    issuer.answers(() => undefined);
    const log = pino({ level: 'silent' });
    keys = new IssuerKeys({ url: issuer.url, log, timeoutMs: 50 });
    expect(await verify('k1')).toBe('away for 10 s');
    expect(keys.problems()[0]).toContain('no answer in time');
  });
});
