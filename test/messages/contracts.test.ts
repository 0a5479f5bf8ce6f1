/** The documents in contracts/ and docs/configuration.md agree with the code and are valid. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { describe, expect, it } from '@jest/globals';
import { Variables } from '../../src/config';
import { decode } from '../../src/messages/incoming/decode';
import type { Decoded } from '../../src/messages/incoming/decoded';
import { traceOf } from '../../src/messages/trace';
import {
  ACCOUNT_MESSAGES,
  CONTACT_MESSAGES,
  DEAD_LETTER_MESSAGES,
  MESSAGES,
  type MessageSpec,
  NEWSLETTER_MESSAGES,
} from '../../tools/contracts/catalogue';
import { generatedFiles } from '../../tools/contracts/files';
import { NOW } from './examples';
import { problemsOf } from './published';

const CHECKOUT = resolve(__dirname, '../..');
const read = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');

const incoming = [
  ...ACCOUNT_MESSAGES.map((spec) => ({ source: 'fxa' as const, spec })),
  ...NEWSLETTER_MESSAGES.map((spec) => ({ source: 'newsletter' as const, spec })),
];
const examplesOf = (specs: readonly MessageSpec[]) =>
  specs.flatMap((spec) => spec.examples.map((example) => [`${spec.name}: ${example.name}`, spec, example] as const));
const decoded = (source: 'fxa' | 'newsletter', payload: unknown): Decoded =>
  decode(source, Buffer.from(JSON.stringify(payload)), { now: NOW });

describe('generated documents', () => {
  it('agree with the schemas; if not, run `npm run contracts`', () => {
    const files = generatedFiles();
    for (const [path, content] of files) expect([path, read(path)]).toEqual([path, content]);
    expect(readdirSync(join(CHECKOUT, 'contracts')).map((name) => `contracts/${name}`)).toEqual(
      [...files.keys()].filter((path) => path.startsWith('contracts/')).sort(),
    );
  });

  it('have every variable of the configuration', () => {
    const page = read('docs/configuration.md');
    for (const name of Object.keys(Variables.shape)) expect(page).toContain(`- \`${name}\`. `);
  });
});

describe('the AsyncAPI document', () => {
  it('is accepted by the public parser, with every message, its examples and its channel', async () => {
    const { document, diagnostics } = await new Parser().parse(read('contracts/asyncapi.json'));
    // A newer minor version of the format is not a problem.
    expect(diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')).toEqual([]);
    expect(
      document
        ?.allMessages()
        .all()
        .map((message) => message.id())
        .sort(),
    ).toEqual(MESSAGES.map(({ name }) => name).sort());
    expect(
      document
        ?.operations()
        .all()
        .map((operation) => [operation.action(), operation.messages().all().length]),
    ).toEqual([
      ['receive', ACCOUNT_MESSAGES.length],
      ['receive', NEWSLETTER_MESSAGES.length],
      ['send', CONTACT_MESSAGES.length],
      ['send', DEAD_LETTER_MESSAGES.length],
    ]);
  });

  it('is refused by the parser when it is not valid', async () => {
    const broken = read('contracts/asyncapi.json').replace('"action": "receive"', '"action": "consume"');
    const { document, diagnostics } = await new Parser().parse(broken);
    expect([document, diagnostics.length > 0]).toEqual([undefined, true]);
  });
});

describe('the examples', () => {
  it.each(examplesOf(MESSAGES))('are valid: %s', (_name, spec, { headers = {}, payload }) => {
    expect(problemsOf(spec.headers.name, headers)).toEqual([]);
    expect(spec.payload ? problemsOf(spec.name, payload) : []).toEqual([]);
    if (spec.payload) expect(spec.payload.parse(payload)).toMatchObject({});
    if (headers.traceparent) expect(traceOf(headers)).toBeDefined();
  });

  it.each(
    incoming.flatMap(({ source, spec }) => spec.examples.map((example) => [example.name, source, example] as const)),
  )('are understood by the decoders: %s', (name, source, { payload }) => {
    expect(decoded(source, payload)).toMatchObject({ kind: name.endsWith('ignored') ? 'ignored' : 'event' });
  });
});

/** Values of every JSON type. */
const PALETTE = [
  undefined,
  null,
  true,
  7,
  -1,
  '',
  'x',
  'x'.repeat(300),
  [],
  ['x'],
  [7],
  ['x'.repeat(101)],
  {},
  { x: 1 },
];

describe('the schemas of incoming messages', () => {
  const flat = incoming.filter(({ spec }) => !/wrapped|data|token/.test(spec.name));

  it.each(flat.map(({ source, spec }) => [spec.name, source, spec] as const))(
    'promise nothing that the decoders do not keep: %s',
    (_name, source, spec) => {
      for (const { payload } of spec.examples) {
        const fields = Object.keys(spec.payload?.def && 'shape' in spec.payload ? (spec.payload.shape as object) : {});
        expect(fields.length).toBeGreaterThan(3);
        for (const field of fields) {
          for (const value of PALETTE) {
            const sent = JSON.parse(JSON.stringify({ ...(payload as object), [field]: value }));
            if (problemsOf(spec.name, sent).length > 0) continue;
            expect([sent, decoded(source, sent)]).not.toMatchObject([sent, { reason: 'invalid_shape' }]);
          }
        }
      }
    },
  );

  it.each(incoming.map(({ source, spec }) => [spec.name, source, spec] as const))(
    'require nothing that the decoders can do without: %s',
    (_name, source, spec) => {
      for (const { payload } of spec.examples) {
        for (const field of Object.keys(payload as object)) {
          const { [field]: _, ...rest } = payload as Record<string, unknown>;
          if (problemsOf(spec.name, rest).length === 0) continue;
          expect([field, decoded(source, rest).kind]).not.toEqual([field, 'event']);
        }
      }
    },
  );
});
