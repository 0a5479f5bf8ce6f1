import { isDeeperThan, MAX_DEPTH } from '../../src/messages/incoming/decoded';
import { FXA_EVENTS, HEADERS } from '../../src/rabbitmq/names';
import { messageMix } from '../chaos/load/mix';
import { nestedHeaders } from '../nested-headers';
import type { Random } from '../random';

type Source = 'fxa' | 'newsletter';
type Json = Record<string, unknown>;

/** A message to publish: a real one, or one that other programs have damaged. */
export interface FuzzMessage {
  source: Source;
  content: Buffer;
  /** An event that nothing was done to: it must be handled. */
  healthy: boolean;
  messageId?: string;
  headers?: Record<string, unknown>;
}

/**
 * An endless supply, the same for the same random numbers.
 *
 * @param nesting a tenth has deeply nested headers
 */
export function* fuzzMessages(random: Random, nesting = false): Generator<FuzzMessage, never> {
  for (const { exchange, content, is } of messageMix(random.below(2 ** 32), random)) {
    const misrouted = random.chance(1 / 50);
    const whole = random.below(100) < 40;
    yield {
      source: (exchange === FXA_EVENTS) !== misrouted ? 'fxa' : 'newsletter',
      content: whole ? Buffer.from(content) : damaged(content, random),
      healthy: whole && !misrouted && is === 'event',
      ...(random.chance(1 / 3) && { messageId: idOf(random) }),
      ...(random.chance(1 / 10) && { headers: nesting ? nestedHeaders(random) : headersOf(random) }),
    };
  }
  throw new Error('the mix ended');
}

function damaged(content: string, random: Random): Buffer {
  if (content.length > 10_000) return Buffer.from(content); // hostile already, and perhaps too deep for a walk
  const kind = random.below(60);
  if (kind < 40) return Buffer.from(edited(content, random));
  if (kind < 55) return scratched(Buffer.from(edited(content, random)), random);
  return Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
}

/** Makes one to three edits. The result is text, because JSON can express more than JavaScript values. */
function edited(content: string, random: Random): string {
  const message = parsed(content);
  if (!message) return content;
  let inserted = 0;
  const texts = new Map<string, string>();
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const [node, key] = random.pick(placesIn(message));
    const what = random.below(12);
    if (what === 0) delete node[key];
    else if (what === 1) node[`${key}x`] = node[key];
    else if (what === 2 && random.chance(1 / 20)) Object.assign(node, heavyFields(random));
    else {
      const mark = `\u0001${inserted++}`;
      texts.set(JSON.stringify(mark), oddText(random));
      node[what === 2 ? random.pick(PROTOTYPE_KEYS) : what < 6 ? random.pick(FIELDS) : key] = mark;
    }
  }
  let text = JSON.stringify(message).replaceAll(`"${PROTO}"`, '"__proto__"');
  for (const [mark, odd] of texts) text = text.replace(mark, () => odd);
  if (random.chance(1 / 20)) text = `${text.slice(0, -1)},${text.slice(1)}`; // each key twice
  return text;
}

/** Undefined also for a message that is too deep to be edited: it is sent as it is. */
function parsed(content: string): Json | undefined {
  try {
    const message = JSON.parse(content) as Json;
    return isDeeperThan(MAX_DEPTH, message) ? undefined : message;
  } catch {
    return undefined;
  }
}

/** Stands for `__proto__`, which cannot be assigned as an own key. */
const PROTO = '__proto__ in text';
const PROTOTYPE_KEYS = [PROTO, 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

function placesIn(root: Json): [Json, string][] {
  const places: [Json, string][] = [];
  const visit = (node: Json): void => {
    for (const [key, child] of Object.entries(node)) {
      places.push([node, key]);
      if (typeof child === 'object' && child !== null) visit(child as Json);
    }
  };
  visit(root);
  return places.length > 0 ? places : [[root, 'event']];
}

/** Fields that a message may lack. */
const FIELDS = [
  ...['email', 'token', 'uid', 'ts', 'id', 'Message', 'newsletters', 'all', 'among', 'optin', 'fields', 'reason'],
  ...[
    'source_url',
    'first_name',
    'last_name',
    'lang',
    'country',
    'format',
    'locale',
    'countryCode',
    'service',
    'createDate',
  ],
];

/** As much as a message may say: it has up to 230 KB. */
const heavyFields = (random: Random): Json => ({
  newsletters: Array.from({ length: 1_000 }, (_, n) => `${n}-`.padEnd(20 + random.below(180), 'n')),
  ...Object.fromEntries(['first_name', 'last_name', 'reason', 'source_url'].map((name) => [name, 'x'.repeat(10_000)])),
});

/** JSON texts to put in the place of a value. */
const WORDS = [
  'null',
  'true',
  'false',
  '""',
  '" "',
  '[]',
  '{}',
  '[null]',
  '{"length":3}',
  '{"toJSON":1}',
  '{"toString":1,"valueOf":1}',
];
const NUMBERS = [
  '0',
  '-1',
  '-0',
  '0.1',
  '1e308',
  '-1e308',
  '1e400',
  '1e-320',
  '9007199254740993',
  '1769000123456789012345',
];
const TIMES = ['1769000200000', '1262303999', '4102444800'];
const CHARACTERS = ['"\\u0000"', '"\\ud800"', '"\\ud800\\udc00"', '"a\\u202eb"'];
const HEADER_SYNTAX = ['"\\"x\\"@mail.test"', '"x(y)@mail.test"', '"<x>@mail.test"', '"x@mail.test;"'];
const PLACEHOLDERS = ['"null@mail.test"', '"[object Object]@mail.test"', '"@"', '"a@b@c"', '"x@-.test"'];
const DOMAINS = ['"x@\\u00fc.test"', '"x@xn--.test"', '"x@[127.0.0.1]"', '"\\u0130@mail.test"'];
const IDS = ['"9F3C1A7BE2D84C06B5A1E0774CD2F8AA@old.test"', '"4C7A1D52-90DE-4B6E-8A55-2A2F5F0C7E11"'];
const EVENTS = ['"verified"', '"delete"', '"profileDataChange"', '"reset"', '"newsletter.set"', '"constructor"'];
const LISTS = [
  '["privacy-weekly",5]',
  '["privacy-weekly ","","a\\u0000"]',
  '["a","a","a"]',
  '["a b","gr\\u00f6\\u00dfe","10"]',
];
const PROTOTYPE = '{"__proto__":{"email":"x@mail.test"}}';
const ODD = [
  WORDS,
  NUMBERS,
  TIMES,
  CHARACTERS,
  PLACEHOLDERS,
  HEADER_SYNTAX,
  DOMAINS,
  IDS,
  EVENTS,
  LISTS,
  PROTOTYPE,
].flat();

function oddText(random: Random): string {
  // Large values are rare because they take a hundred times as long.
  switch (random.chance(1 / 12) ? random.below(3) : 3 + random.below(20)) {
    case 0:
      return JSON.stringify('x'.repeat(10 ** random.below(5)));
    case 1:
      return JSON.stringify(Array.from({ length: random.below(1_100) }, (_, i) => `n${i}`));
    case 2: {
      // Around the limit of 64 levels, and up to a message's limit in bytes.
      const depth = random.chance(1 / 2) ? 50 + random.below(30) : Math.floor(10 ** (random.next() * 5));
      const nested = random.chance(1 / 2)
        ? '['.repeat(depth) + ']'.repeat(depth)
        : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
      return random.chance(1 / 3) ? JSON.stringify(nested) : nested; // a wrapper has JSON in a string
    }
    case 3:
      return `"${'x'.repeat(random.below(300))}@${'mail.'.repeat(random.below(60))}test"`;
    case 4:
      return `${random.below(1e9)}${random.below(1e9)}.${random.below(1e9)}`;
    case 5:
      // Larger than the size limit; rare because it goes over the network.
      return random.chance(1 / 60) ? JSON.stringify('y'.repeat(300_000)) : '"y"';
    case 6:
      return JSON.stringify(
        String.fromCharCode(...Array.from({ length: random.below(20) }, () => random.below(0x10000))),
      );
    case 7:
    case 8:
      return JSON.stringify(oddAddress(random));
    default:
      return random.pick(random.chance(1 / 8) ? HOSTILE : ODD);
  }
}

/** No texts, and texts that are hard to store. */
const HOSTILE = [
  ...['{"toString":1,"valueOf":1}', '{"toString":null}', '{"then":1}', '{"constructor":null}'],
  ...['"because \\ud83c"', '" padded "', '["a","b ",""," ",null]'],
];

/** Mail-header syntax, characters outside ASCII, and what may be valid. */
const LOCAL = '" "a" (x) , ; : < > [ \\ @ . - -- \' +x {x} /b=c %40 =?utf-8?q?'.split(' ');
const LOCAL_BEYOND = ['\u00fc', '\u0130', '\u212a', '\u200b', '\ufeff', ' ', '\t', '\r\nTo: b'];
const HOSTS = 'mail.test MAIL.test -mail.test mail-.test m\u00fcnchen.test xn--mnchen-3ya.test a..b'.split(' ');

function oddAddress(random: Random): string {
  const pieces = Array.from({ length: 1 + random.below(3) }, () =>
    random.pick([random.hex(4), random.pick(LOCAL), random.pick(LOCAL_BEYOND)]),
  );
  return `${random.pick(['', ' ', '-'])}victim${pieces.join('')}@${random.pick(HOSTS)}${random.pick(['', ' ', '>'])}`;
}

/** Changes, removes or adds bytes: invalid UTF-8, a byte order mark, half a message, two messages. */
function scratched(bytes: Buffer, random: Random): Buffer {
  switch (random.below(6)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length));
    case 1:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    case 2:
      return Buffer.concat([bytes, bytes]);
    case 3: {
      const at = random.below(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), random.pick(BAD_UTF8), bytes.subarray(at)]);
    }
    default:
      for (let n = 1 + random.below(3); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
  }
}

/** A truncated character, an overlong one, half a surrogate pair, one beyond Unicode, a continuation byte. */
const BAD_UTF8 = [[0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80]].map((it) =>
  Buffer.from(it),
);

function idOf(random: Random): string {
  return random.pick(['', 'id', '\0', '\ud83d\ude00'.repeat(20), 'x'.repeat(255), `m-${random.below(1e9)}`]);
}

const ODD_SCALARS = [0, -1, 3, 1e15, 0.5, true, null, '', 'x', '9', 'x'.repeat(5_000)];

/** Headers as producers, shovels and other processes may leave them. */
function headersOf(random: Random): Record<string, unknown> {
  const odd = (): unknown => random.pick<unknown>([...ODD_SCALARS, [], [1, [2, ['x']]], { a: { b: 1 } }]);
  const names = [...Object.values(HEADERS), 'x-death', 'x-delivery-count', 'tenant'];
  const headers: Record<string, unknown> = {};
  for (const name of names) if (random.chance(1 / 4)) headers[name] = odd();
  if (random.chance(1 / 20)) {
    let deep: unknown = 1;
    for (let depth = 10 ** (1 + random.below(3)); depth > 0; depth--) deep = [deep];
    headers.deep = deep;
  }
  return headers;
}
