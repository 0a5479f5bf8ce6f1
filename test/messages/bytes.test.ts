import { describe, expect, it } from '@jest/globals';
import { decode, MAX_BYTES } from '../../src/messages/incoming/decode';
import { flat, NOW, newsletter } from './examples';

const read = (content: Buffer | string) => decode('newsletter', Buffer.from(content), { now: NOW });
const sized = (bytes: number) => {
  const message = JSON.stringify(newsletter('subscribe', { padding: '' }));
  return message.replace('"padding":""', `"padding":"${'x'.repeat(bytes - message.length)}"`);
};

describe('bytes that are not a message', () => {
  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['an unfinished object', '{"event":'],
    ['two objects', '{}{}'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['UTF-16', Buffer.from('{"event":"x"}', 'utf16le')],
    ['surrogates in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['a raw U+0000 in a text', '{"event":"a\0b"}'],
    ['brackets without end', '['.repeat(200_000)],
    ['a token that was not decoded', 'eyJhbGciOiJub25lIn0.e30.'],
  ])('are not JSON: %s', (_what, content) => {
    expect(read(content)).toMatchObject({ kind: 'dead', reason: 'not_json' });
  });

  it.each(['null', '5', '"x"', 'true', '[]', '[{"event":"newsletter.subscribe"}]', '{}'])(
    'have the wrong shape: %s',
    (content) => {
      expect(read(content)).toMatchObject({ kind: 'dead', reason: 'invalid_shape' });
    },
  );

  it('may be 256 KiB, and one byte more is too large', () => {
    expect(read(sized(MAX_BYTES)).kind).toBe('event');
    expect(read(sized(MAX_BYTES + 1))).toEqual({
      kind: 'dead',
      reason: 'too_large',
      problems: [`message: has more than ${MAX_BYTES} bytes`],
    });
  });
});

/** A whole message with a field that the event does not have, nested to a depth. */
const nested = (depth: number): string =>
  JSON.stringify(newsletter('unsubscribe', { newsletters: ['x'] })).replace(
    '{',
    `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)},`,
  );

describe('odd messages', () => {
  it('may be nested 64 deep, in any field', () => {
    expect(read(nested(64)).kind).toBe('event');
  });

  it('that are too deep say so, in whichever text they are', () => {
    const problem = (name: string) => [`${name}: is nested deeper than 64 levels`];
    expect(read(nested(65))).toMatchObject({ reason: 'invalid_shape', problems: problem('message') });
    for (const inner of [nested(65), nested(1e5), `{"a":`.repeat(1e4) + 1 + '}'.repeat(1e4)]) {
      const content = Buffer.from(JSON.stringify({ MessageId: 'x', Message: inner }));
      expect(decode('fxa', content, { now: NOW })).toMatchObject({
        ...{ reason: 'invalid_shape', problems: problem('Message') },
      });
    }
    const wrapped = JSON.stringify({ ...flat('delete'), pad: JSON.parse(nested(63)) });
    const content = Buffer.from(JSON.stringify({ MessageId: 'x', Message: wrapped }));
    expect(decode('fxa', content, { now: NOW })).toMatchObject({ kind: 'event' });
  });

  it('a byte order mark is dropped', () => {
    expect(read(`\ufeff${JSON.stringify(newsletter('subscribe'))}`).kind).toBe('event');
  });

  it.each([
    ['nested 100,000 deep', nested(1e5)],
    ['nested 65 deep', nested(65)],
    ['of 100,000 newsletters', `{"event":"newsletter.subscribe","newsletters":[${'1,'.repeat(1e5)}1]}`],
    ['of 999 newsletters without a name', `{"event":"newsletter.subscribe","newsletters":[${'1,'.repeat(998)}1]}`],
    ['of 10,000 keys', JSON.stringify({ event: 'newsletter.subscribe', ...Array(10_000).fill(1) })],
    ['whose numbers are beyond all bounds', '{"event":"newsletter.subscribe","ts":1e999,"email":"a@mail.test"}'],
  ])('a message %s is a dead letter with a short list of problems', (_what, content) => {
    const decoded = read(content);
    expect(decoded).toMatchObject({ kind: 'dead', reason: 'invalid_shape' });
    expect(JSON.stringify(decoded).length).toBeLessThan(2_000);
  });

  it('__proto__ and constructor are unknown fields and change nothing', () => {
    const evil = '"__proto__":{"optin":true,"newsletters":["x"]},"constructor":{"prototype":{"optin":true}},';
    const message = JSON.stringify(newsletter('subscribe')).replace('{', `{${evil}`);
    expect(read(message)).toEqual(read(JSON.stringify(newsletter('subscribe'))));
    const account = JSON.stringify({ ...flat('delete'), uid: undefined }).replace('{', '{"__proto__":{"uid":"x"},');
    expect(decode('fxa', Buffer.from(account), { now: NOW })).toMatchObject({ reason: 'invalid_shape' });
    expect(({} as Record<string, unknown>).optin).toBeUndefined();
  });

  it('the last of two equal keys counts', () => {
    const message = JSON.stringify(newsletter('subscribe')).replace('{', '{"email":5,');
    expect(read(message).kind).toBe('event');
  });
});
