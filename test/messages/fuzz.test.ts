import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decode } from '../../src/messages/incoming/decode';
import type { Decoded } from '../../src/messages/incoming/decoded';
import { problemOf } from '../../tools/fuzz/well-formed';
import { flat, NOW, newsletter, TOKEN, token, UID, wrapped } from './examples';

const SECRET = 'qzx';
const CLAIM = {
  email: `${SECRET}@mail.test`,
  locale: 'de',
  countryCode: 'DE',
  service: 'sync',
  newsletters: ['a', 'b'],
};
const PROFILE = { lang: 'fr', country: 'fr', format: 'H', first_name: SECRET, last_name: null, source_url: 'u' };

const ACCOUNT = ['verified', 'login', 'primaryEmailChanged', 'newsletters:update', 'delete'].map((e) => flat(e, CLAIM));
const SEEDS = [
  ...ACCOUNT,
  ...ACCOUNT.map(({ event, ...data }) => ({ event, data })),
  ...ACCOUNT.map((message) => wrapped(message)),
  token({ 'profile-change': CLAIM }),
  token({ 'profile-change': { ...CLAIM, uid: UID } }),
  token({ 'profile-change': {}, 'delete-user': {} }),
  newsletter('subscribe', { ...PROFILE, newsletters: ['x'], optin: true }),
  newsletter('unsubscribe', { newsletters: ['x'], all: true, reason: SECRET, email: undefined, token: TOKEN }),
  newsletter('confirm'),
];

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('', ' ', '\0', '\ud800', '__proto__', 'null@mail.test', `${SECRET}@ü.test`, 'x'.repeat(3_000)),
  fc.constantFrom(
    `"${SECRET}"@mail.test`,
    `(x)${SECRET}@mail.test`,
    `-${SECRET}@mail.test`,
    ' padded ',
    '[[{"a":[]}]]',
  ),
);
const nested = fc.nat(2_000).map((levels) => {
  let value: unknown = SECRET;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
});
const notTexts = fc.constantFrom({ toString: 1, valueOf: 1 }, { toString: null }, { toJSON: 1 }, { length: 3 });
const oddValue = fc.oneof(
  oddText,
  nested,
  notTexts,
  fc.jsonValue(),
  fc.double(),
  fc.constantFrom(undefined, null, true, 1e308, -1, NOW, NOW / 1_000, [], {}, [SECRET, 5], Array(1_001).fill(SECRET)),
);

/** A real message with up to three values, at any depth, and perhaps a byte replaced. */
const mutated = fc
  .record({
    seed: fc.constantFrom(...SEEDS),
    edits: fc.array(fc.tuple(fc.nat(40), oddValue), { maxLength: 3 }),
    scratches: fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 1 }),
  })
  .map(({ seed, edits, scratches }) => {
    const message = structuredClone(seed);
    for (const [position, value] of edits) replaceAt(message, position, value);
    const bytes = Buffer.from(JSON.stringify(message));
    for (const [position, byte] of scratches) bytes[position % bytes.length] = byte;
    return bytes;
  });

function replaceAt(root: Record<string, unknown>, position: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const visit = (node: object) => {
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      const child = (node as Record<string, unknown>)[key];
      if (typeof child === 'object' && child !== null) visit(child);
    }
  };
  visit(root);
  const [node, key] = places[position % places.length] ?? [root, 'event'];
  // A copy, because the generators reuse values.
  node[key] = structuredClone(value);
}

function expectWellFormed(decoded: Decoded): void {
  expect(problemOf(decoded, NOW)).toBeUndefined();
  if (decoded.kind === 'dead') expect(JSON.stringify(decoded)).not.toContain(SECRET);
}

const source = fc.constantFrom('fxa' as const, 'newsletter' as const);

it('a mutated real message never makes the decoder throw, and its outcome is well-formed', () => {
  fc.assert(
    fc.property(source, mutated, (from, content) => expectWellFormed(decode(from, content, { now: NOW }))),
    { numRuns: 3_000 },
  );
});

it('mutated messages have every kind of outcome', () => {
  const sample = fc.sample(fc.tuple(source, mutated), { numRuns: 3_000, seed: 1 });
  const seen = sample.map(([from, content]) => decode(from, content, { now: NOW }));
  for (const kind of ['event', 'ignored', 'invalid_shape', 'invalid_address', 'invalid_time', 'not_json']) {
    expect(seen.map((decoded) => (decoded.kind === 'dead' ? decoded.reason : decoded.kind))).toContain(kind);
  }
});

it('arbitrary bytes never make the decoder throw, and their outcome is well-formed', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((json) => Buffer.from(json)),
    fc.dictionary(oddText, oddValue).map((message) => Buffer.from(JSON.stringify(message))),
  );
  fc.assert(
    fc.property(source, anything, (from, content) => expectWellFormed(decode(from, content, { now: NOW }))),
    { numRuns: 2_000 },
  );
});
