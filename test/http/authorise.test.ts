import crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { apiKeys } from '../../src/config';
import { type ApiKey, NO_KEY, parseApiKeys, SCOPES } from '../../src/foundation/api-keys';
import { scopeChecks } from '../../src/http/authorise';
import { measureRequests } from '../../src/http/measure';
import { eventually } from '../support/service';
import { type AskOptions, ask } from './ask';

const JSON_BODY = { 'content-type': 'application/json' };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('a route that requires a scope', () => {
  const apps: FastifyInstance[] = [];
  /** Those of the server that was started last. */
  let metrics: Registry;
  afterAll(async () => {
    for (const app of apps) await app.close();
  });

  /** A server with a GET and a POST route for each scope. */
  async function server(keys: { value: readonly ApiKey[] }) {
    const app = fastify();
    apps.push(app);
    app.decorateRequest('keyName', NO_KEY);
    metrics = new Registry();
    measureRequests(app, metrics);
    const requireScope = scopeChecks(keys);
    for (const scope of SCOPES) {
      app.get(`/${scope}`, { onRequest: requireScope(scope) }, async () => 'done');
      app.post(`/${scope}`, { onRequest: requireScope(scope) }, async () => 'done');
    }
    const base = await app.listen({ host: '127.0.0.1', port: 0 });
    return async (path: string, options?: AskOptions) => (await ask(base, path, options)).status;
  }

  it('answers the keys that have the scope, and no others: no scope includes another', async () => {
    const keys = SCOPES.map((scope) => `key-${scope} ${scope} secret-${scope}`).join('\n');
    const get = await server({ value: parseApiKeys(keys) });
    for (const scope of SCOPES) {
      const statuses = SCOPES.map((key) => get(`/${scope}`, { headers: bearer(`secret-${key}`) }));
      expect(await Promise.all(statuses)).toEqual(SCOPES.map((key) => (key === scope ? 200 : 403)));
      expect(await get(`/${scope}`, { headers: bearer('secret') })).toBe(401);
      expect(await get(`/${scope}`)).toBe(401);
    }
  });

  it('names the key in the metrics, and none for requests without a valid one', async () => {
    const get = await server({ value: parseApiKeys('site-2026 read secret-1\nops operate,write secret-2') });
    await get('/read', { headers: bearer('secret-1') });
    await get('/read', { headers: bearer('secret-2') });
    await get('/read', { headers: bearer('secret-3') });
    const text = await metrics.metrics();
    for (const [key, status] of [
      ['site-2026', 200],
      ['ops', 403],
      ['none', 401],
    ]) {
      expect(text).toContain(`_count{route="/read",status="${status}",key="${key}"} 1`);
    }
    expect(text).not.toContain('secret');
  });

  it('compares digests of the same length with every key in constant time, whatever was sent', async () => {
    const get = await server({ value: parseApiKeys('a read the-right-key\nb read another-key') });
    const compare = jest.spyOn(crypto, 'timingSafeEqual');
    for (const key of ['x', 'the-right-kez', 'the-right-key-and-more', 'the-right-key']) {
      await get('/read', { headers: bearer(key) });
    }
    expect(compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual(Array(8).fill([32, 32]));
    expect(compare.mock.results.map(({ value }) => value)).toEqual([...Array(6).fill(false), true, false]);
    compare.mockRestore();
  });

  it('permits reading and writing without any key, and never vouching or operating', async () => {
    const get = await server({ value: [] });
    expect(await Promise.all(SCOPES.map((scope) => get(`/${scope}`)))).toEqual([200, 200, 401, 401]);
  });

  it.each(['127.0.0.1', 'localhost:8080', 'LOCALHOST', '[::1]:8080', '127.1.2.3'])(
    'without any key, is open to this machine as %s',
    async (host) => {
      expect(await (await server({ value: [] }))('/read', { headers: { host } })).toBe(200);
    },
  );

  it.each(['rebound.test', 'rebound.test:8080', '10.0.0.1', '127.0.0.1.rebound.test', 'localhost.rebound.test'])(
    'without any key, refuses the host %j, to which a page of another site may have bound its name',
    async (host) => {
      expect(await (await server({ value: [] }))('/read', { headers: { host } })).toBe(403);
      const withKey = await server({ value: parseApiKeys('site read secret') });
      expect(await withKey('/read', { headers: { host, ...bearer('secret') } })).toBe(200);
    },
  );

  it('takes a POST as JSON only, so that no form of another site can send one', async () => {
    const post = await server({ value: [] });
    for (const type of [undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'x/json']) {
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
      expect([type, await post('/write', { method: 'POST', headers, body: '{}' })]).toEqual([type, 415]);
      expect([type, await post('/write', { method: 'POST', headers })]).toEqual([type, 415]);
    }
    for (const type of ['application/json', 'Application/JSON; charset=utf-8']) {
      expect(await post('/write', { method: 'POST', headers: { 'content-type': type }, body: '{}' })).toBe(200);
    }
    expect(await post('/vouch', { method: 'POST', headers: JSON_BODY, body: '{}' })).toBe(401);
  });

  describe('with a file of keys', () => {
    let folder: string;
    const write = (text: string): string => {
      const file = join(folder, 'keys');
      writeFileSync(file, text);
      return file;
    };
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'onecontact-keys-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    it('takes changed keys without a restart, and keeps the old ones while the file is wrong', async () => {
      const lines: string[] = [];
      const log = pino({}, { write: (line) => lines.push(line) });
      const file = write('old read secret-old\n');
      const keys = apiKeys({ apiKey: 'secret-default', apiKeysFile: file }, log);
      const unwatch = keys.watch();
      try {
        const get = await server(keys);
        const statuses = async () => {
          const sent = ['secret-default', 'secret-old', 'secret-new'];
          return Promise.all(sent.map((key) => get('/read', { headers: bearer(key) })));
        };
        expect(await statuses()).toEqual([200, 200, 401]);
        write('old read secret-old\nnew read secret-new\n');
        await eventually(statuses, ([, , status]) => status === 200);
        write('new read secret-new\n');
        await eventually(statuses, ([, status]) => status === 401);

        write('new read\n');
        await eventually(
          async () => keys.problems(),
          (problems) => problems.length > 0,
        );
        expect(keys.problems()).toEqual([expect.stringMatching(/^API_KEYS_FILE: line 1: must be NAME/)]);
        rmSync(file);
        await eventually(
          async () => keys.problems(),
          ([problem]) => problem?.includes('cannot be read (ENOENT)') ?? false,
        );
        write('# No key is left\n');
        await eventually(
          async () => keys.problems(),
          ([problem]) => problem?.includes('has no key') ?? false,
        );
        expect(await statuses()).toEqual([200, 401, 200]);

        write('third read secret-third\n');
        await eventually(statuses, ([, , status]) => status === 401);
        expect(keys.problems()).toEqual([]);
        expect(lines.join('')).toContain('new secret rejected');
        expect(lines.join('')).not.toMatch(/secret-(old|new|third|default)/);
      } finally {
        unwatch();
      }
    });
  });
});
