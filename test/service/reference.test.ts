/** The scripts of the pages on HTTP, run in their order as a new user would, and their refusals, against the whole service. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { ENDPOINTS } from '../../tools/contracts/http';
import { CONTACT_ID, CURSOR, TOKEN, UID } from '../../tools/contracts/http-examples';
import { type EndpointSpec, HTTP_SCHEMAS } from '../../tools/contracts/http-spec';
import { AUDIENCE, claimsOf, ISSUER, type Issuer, startIssuer } from '../../tools/issuer';
import { type AskOptions, ask } from '../http/ask';
import { silent, withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { type DocScripts, docScripts } from '../support/doc-scripts';
import { acct, signup } from '../support/events';
import { FETCH_MS } from '../support/programs';
import { ctms, newsletter } from '../support/records';
import { apply } from '../support/stored';

const KEY = 'the-key-of-a-test';
const WRITER = 'another-key-of-a-test';
const page = readFileSync(resolve(__dirname, '../../docs/reference/http.md'), 'utf8');
const scripts = [...page.matchAll(/^## (\w+) (\/\S*)\n(?:(?!^## ).*\n)*?```sh\n((?:.*\n)*?)```/gm)].map(
  ([, method, path, script]) => ({ endpoint: `${method} ${path}`, script: script as string }),
);

const broker = withBroker();

type Asked = AskOptions & { path: string };

/** A request that each status refuses, made of a good one. */
const BAD_REQUESTS: Readonly<Record<number, (good: Asked, endpoint: EndpointSpec) => Asked>> = {
  400: (good) =>
    good.body === undefined
      ? { ...good, path: `${good.path}?${good.path.endsWith('/history') ? 'limit=0' : 'after=abc'}` }
      : { ...good, body: '{"keys":[{"email":"ada"},{"email":"ada@mail.test"},{"token":"x"}]}' },
  401: (good) => ({ ...good, headers: { ...good.headers, authorization: 'Bearer wrong' } }),
  403: (good) => ({ ...good, headers: { ...good.headers, authorization: `Bearer ${WRITER}` } }),
  404: (good, { parameters }) => {
    const known = Object.values(parameters)[0]?.example as string;
    return { ...good, path: good.path.replace(known, randomUUID()) };
  },
  410: (good) => ({ ...good, path: `${good.path}?after=${CURSOR}` }),
  413: (good) => ({ ...good, body: JSON.stringify({ keys: Array(501).fill({ email: 'ada@mail.test' }) }) }),
  415: (good) => ({ ...good, headers: { ...good.headers, 'content-type': 'text/plain' } }),
  429: (good) => ({ ...good, headers: { 'x-forwarded-for': '192.0.2.1' } }),
};

const message = { event: 'newsletter.subscribe', ts: 1_769_000_100, email: 'ada@mail.test', newsletters: ['hacks'] };
const listWith = (changes: Readonly<Record<number, object>>, length: number): string =>
  JSON.stringify(Array.from({ length }, (_, index) => ({ ...message, ...changes[index] })));

/** The same for endpoints whose bodies are of another kind. */
const BAD_EVENTS: Readonly<Record<string, Readonly<Record<number, (good: Asked, issuer: Issuer) => Promise<Asked>>>>> =
  {
    '/events/newsletter': {
      400: async (good) => ({ ...good, body: listWith({ 3: { ts: undefined }, 7: { newsletters: [5] } }, 8) }),
      403: async (good) => ({ ...good, body: listWith({ 2: { event: 'newsletter.confirm' } }, 3) }),
      413: async (good) => ({ ...good, body: listWith({}, 501) }),
    },
    '/events/account': {
      400: async (good, issuer) => ({ ...good, body: await issuer.sign({ ...claimsOf(), aud: 'another client' }) }),
      413: async (good) => ({ ...good, body: 'x'.repeat(16 * 1_024 + 1) }),
    },
  };

describe('the HTTP reference', () => {
  let data: TestDatabase;
  let issuer: Issuer;
  let service: Service;
  let commands: DocScripts;
  let folder: string;

  beforeAll(async () => {
    data = await freshDatabase();
    await addAda(data);
    issuer = await startIssuer();
    await issuer.addKey('k1');
    folder = mkdtempSync(join(tmpdir(), 'onecontact-reference-'));
    const keys = join(folder, 'keys');
    writeFileSync(keys, `site read,write ${KEY}\nproducer write ${WRITER}\n`);
    commands = await docScripts({
      onecontact: async (...words) => {
        const { code, out, err } = await onecontact(words, { DATABASE_URL: data.url });
        if (code !== 0) throw new Error(err);
        return out;
      },
    });
    service = await startService(
      readConfig(
        {
          ...{ AMQP_URL: broker().url, DATABASE_URL: data.url, HTTP_PORT: '0', LOG_LEVEL: 'silent' },
          ...{ API_KEYS_FILE: keys, PUBLIC_PREFERENCES: 'true', TRUSTED_PROXIES: 'loopback' },
          ...{ ACCOUNTS_ISSUER: ISSUER, ACCOUNTS_AUDIENCE: AUDIENCE, ACCOUNTS_JWKS_URL: issuer.url },
        },
        SERVICE_NEEDS,
      ),
      { log: silent, only: ['http', 'intake'] },
    );
  }, FETCH_MS);
  afterAll(async () => {
    commands?.close();
    await service?.stop();
    await issuer?.close();
    await data?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has a script for every endpoint', () => {
    expect(scripts.map(({ endpoint }) => endpoint)).toEqual(
      ENDPOINTS.map(({ method, path }) => `${method.toUpperCase()} ${path}`),
    );
  });

  it.each(scripts)('$endpoint answers as its page says', async ({ endpoint, script }) => {
    const stdout = await commands.run(script, { ONECONTACT: service.url, API_KEY: KEY, TOKEN: await issuer.sign() });
    const spec = ENDPOINTS.find(({ method, path }) => `${method.toUpperCase()} ${path}` === endpoint);
    const { schema, example } = spec?.answers[0] ?? {};
    if (example === '') return expect(stdout).toBe('');
    if (!schema) return expect(stdout).toContain('onecontact_http_request_duration_seconds');
    const answer = JSON.parse(stdout);
    expect(HTTP_SCHEMAS[schema].safeParse(answer)).toMatchObject({ success: true });
    // The same fields as in the example, at the top.
    expect(Object.keys(answer)).toEqual(Object.keys(example as object));
  });

  const refusals = ENDPOINTS.flatMap((endpoint) =>
    endpoint.answers.flatMap((answer) => (answer.status in BAD_REQUESTS ? { endpoint, answer } : [])),
  );
  it.each(refusals.map((each) => ({ ...each, status: each.answer.status, path: each.endpoint.path })))(
    '$path answers $status as its page says',
    async ({ endpoint, answer: { status, example, headers = {} } }) => {
      const { method, path, request } = endpoint;
      const good: Asked = {
        path: path.replace(/\{(\w+)\}/g, (_, name: string) => endpoint.parameters[name]?.example ?? ''),
        method: method.toUpperCase(),
        headers: {
          ...(endpoint.scope && { authorization: `Bearer ${KEY}` }),
          ...(request && { 'content-type': request.type ?? 'application/json' }),
        },
        ...(request && { body: JSON.stringify(request.example) }),
      };
      const ofEvents = BAD_EVENTS[path]?.[status];
      const refused = BAD_REQUESTS[status] as (typeof BAD_REQUESTS)[number];
      const { path: asked, ...options } = ofEvents ? await ofEvents(good, issuer) : refused(good, endpoint);
      let answer = await ask(service.url, asked, options);
      for (let n = 0; status === 429 && n < 60; n++) answer = await ask(service.url, asked, options);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([status, example]);
      expect(Object.keys(answer.headers)).toEqual(
        expect.arrayContaining(Object.keys(headers).map((name) => name.toLowerCase())),
      );
    },
  );

  it('the page on the change feed reads changes and exports as it says', async () => {
    const feed = readFileSync(resolve(__dirname, '../../docs/change-feed.md'), 'utf8');
    const [curl, exports] = [...feed.matchAll(/```sh\n(.*?)```/gs)].map(([, script]) => script as string);
    const env = { ONECONTACT: service.url, API_KEY: KEY };
    const page = JSON.parse(await commands.run(curl as string, env));
    expect(page.changes).toHaveLength(2);
    await commands.run(exports as string, {}, folder);
    const linesOf = (name: string) =>
      readFileSync(join(folder, name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const exported = linesOf('changes.ndjson');
    expect(exported.slice(0, 2)).toEqual(page.changes);
    expect(exported.at(-1)).toEqual({ next: expect.any(String) });
    expect(linesOf('more.ndjson')).toEqual([{ next: expect.any(String) }]);
    expect(linesOf('consent.ndjson')).toContainEqual(expect.objectContaining({ contact_id: CONTACT_ID }));
  });

  it('the page on the client looks contacts up as it says', async () => {
    const client = readFileSync(resolve(__dirname, '../../docs/reference/client.md'), 'utf8');
    const [, example] = /```ts\n(.*?)```/s.exec(client) as unknown as [string, string];
    const file = join(folder, 'example.mts');
    const source = JSON.stringify(resolve(__dirname, '../../src/client/index.ts'));
    writeFileSync(file, example.replace("'onecontact/client'", source).replace('http://127.0.0.1:8080', service.url));
    const env = { PATH: process.env.PATH, API_KEY: KEY };
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { env });
    expect(stdout).toContain(`Ada@mail.test [ 'hacks', 'offers', 'privacy-weekly' ]`);
    expect(stdout).toContain(`[ '${CONTACT_ID}', 'unknown' ]`);
  });
});

/** The person of the examples, with the ids that stand there, and a merge. */
async function addAda(data: TestDatabase): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'onecontact-reference-'));
  const record = ctms({
    a: 'Ada@mail.test',
    u: 'ada',
    made: 100,
    email: { email_id: CONTACT_ID, basket_token: TOKEN, first_name: 'Ada', email_lang: 'fr', double_opt_in: true },
    fxa: { fxa_id: UID, lang: 'fr-FR,fr;q=0.9', first_service: 'sync' },
    newsletters: [newsletter('privacy-weekly', true, 101), newsletter('hacks', false, 102)],
  });
  try {
    writeFileSync(join(folder, 'ada.ndjson'), `${JSON.stringify(record)}\n`);
    await onecontact(['import', join(folder, 'ada.ndjson')], { DATABASE_URL: data.url });
  } finally {
    rmSync(folder, { recursive: true });
  }
  await apply(data.db, signup('ada@work.test', ['offers'], 2));
  // Earlier than the claim of the other address, which stays the primary one and keeps its token.
  await apply(data.db, { ...acct('ada', 'ada@work.test', 3), uid: UID });
}
