/** The scripts of the HTTP reference, run in their order as a new user would, against the whole service. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { ENDPOINTS, HTTP_SCHEMAS } from '../../tools/contracts/http';
import { CONTACT_ID, TOKEN, UID } from '../../tools/contracts/http-examples';
import { silent } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { ctms, newsletter } from '../support/records';
import { apply } from '../support/stored';

const KEY = 'the-key-of-a-test';
const page = readFileSync(resolve(__dirname, '../../docs/reference/http.md'), 'utf8');
const scripts = [...page.matchAll(/^## (\w+) (\/\S*)\n(?:(?!^## ).*\n)*?```sh\n((?:.*\n)*?)```/gm)].map(
  ([, method, path, script]) => ({ endpoint: `${method} ${path}`, script: script as string }),
);

describe('the HTTP reference', () => {
  let data: TestDatabase;
  let service: Service;

  beforeAll(async () => {
    data = await freshDatabase();
    await addAda(data);
    service = await startService(
      readConfig(
        {
          ...{ AMQP_URL: 'amqp://127.0.0.1:1', DATABASE_URL: data.url, HTTP_PORT: '0', LOG_LEVEL: 'silent' },
          ...{ API_KEY: KEY, PUBLIC_PREFERENCES: 'true' },
        },
        SERVICE_NEEDS,
      ),
      { log: silent, only: ['http'] },
    );
  });
  afterAll(async () => {
    await service?.stop();
    await data?.drop();
  });

  it('has a script for every endpoint', () => {
    expect(scripts.map(({ endpoint }) => endpoint)).toEqual(
      ENDPOINTS.map(({ method, path }) => `${method.toUpperCase()} ${path}`),
    );
  });

  it.each(scripts)('$endpoint answers as its page says', async ({ endpoint, script }) => {
    const env = { PATH: process.env.PATH, ONECONTACT: service.url, API_KEY: KEY };
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env });
    const spec = ENDPOINTS.find(({ method, path }) => `${method.toUpperCase()} ${path}` === endpoint);
    const { schema, example } = spec?.answers[0] ?? {};
    if (!schema) return expect(stdout).toContain('onecontact_http_request_duration_seconds');
    const answer = JSON.parse(stdout);
    expect(HTTP_SCHEMAS[schema].safeParse(answer)).toMatchObject({ success: true });
    // The same fields as in the example, at the top.
    expect(Object.keys(answer)).toEqual(Object.keys(example as object));
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
