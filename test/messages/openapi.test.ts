/** The OpenAPI document agrees with the service, is valid, and so are its examples. */
import { execFile } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { makeServer } from '../../src/http/server';
import { intakeRoutes } from '../../src/intake/routes';
import { Health } from '../../src/observability/health';
import { makeMetrics } from '../../src/observability/metrics';
import { ENDPOINTS } from '../../tools/contracts/http';
import { HTTP_SCHEMAS } from '../../tools/contracts/http-spec';
import { silent } from '../support/broker';

const CHECKOUT = resolve(__dirname, '../..');
const VALIDATOR = 'node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js';
const document = JSON.parse(readFileSync(join(CHECKOUT, 'contracts/openapi.json'), 'utf8'));

// Every published format has an equivalent pattern.
const ajv = new Ajv2020({ validateFormats: false, strict: false, allErrors: true });
ajv.addSchema({ $id: 'openapi', components: document.components });

function problemsOf(schema: string, value: unknown): string[] {
  const validate = ajv.getSchema(`openapi#/components/schemas/${schema}`);
  if (!validate) throw new Error(`no schema ${schema}`);
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Every route of a server with all its parts, as `GET /contacts/{key}`. */
async function routes(): Promise<string[]> {
  const found = new Set<string>();
  const watch = (message: unknown): void => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
      for (const name of [method].flat()) if (name !== 'HEAD') found.add(`${name} ${url.replace(/:(\w+)/g, '{$1}')}`);
    });
  };
  const initialised = channel('fastify.initialization');
  initialised.subscribe(watch);
  const db = {} as never;
  const more = { log: silent, keys: { value: [] }, health: new Health(), metrics: new Registry() };
  const accounts = { expected: { issuer: 'x', audience: 'x' }, keys: {} as never };
  const intake = intakeRoutes({ publisher: {} as never, metrics: makeMetrics(), log: silent, accounts });
  const app = makeServer({ contacts: { db, historyDb: db }, feedDb: db, preferences: { db }, routes: intake, ...more });
  initialised.unsubscribe(watch);
  await app.ready();
  await app.close();
  return [...found].sort();
}

describe('the OpenAPI document', () => {
  it('has every route of the service, and no other', async () => {
    const listed = ENDPOINTS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(await routes()).toEqual(listed.sort());
    expect(Object.keys(document.paths)).toEqual([...new Set(ENDPOINTS.map(({ path }) => path))]);
  });

  it('is accepted by a public validator, which refuses a broken one', async () => {
    const validate = (file: string) => promisify(execFile)(process.execPath, [VALIDATOR, file], { cwd: CHECKOUT });
    await expect(validate('contracts/openapi.json')).resolves.toBeDefined();
    await expect(validate('contracts/asyncapi.json')).rejects.toBeDefined();
  });

  it.each(
    ENDPOINTS.flatMap(({ method, path, request, answers }) => [
      ...(request ? [[`${method} ${path}`, 'request', request.schema, request.example] as const] : []),
      ...answers.flatMap(({ status, schema, example }) =>
        schema === null ? [] : [[`${method} ${path}`, String(status), schema, example] as const],
      ),
    ]),
  )('has valid examples: %s %s', (_endpoint, _status, schema, example) => {
    expect(problemsOf(schema, example)).toEqual([]);
    expect(HTTP_SCHEMAS[schema].safeParse(example).success).toBe(true);
  });

  it('finds what is wrong with a body', () => {
    const contact = ENDPOINTS[0]?.answers[0]?.example as object;
    expect(problemsOf('Contact', { ...contact, version: 'one' })).toEqual(['/version must be integer']);
    expect(problemsOf('Contact', { ...contact, nickname: 'Ada' })).toEqual([]);
    expect(problemsOf('LookupRequest', { keys: [{ email: 'a@mail.test', token: 'x' }] })).not.toEqual([]);
  });
});
