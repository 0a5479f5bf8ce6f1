/** The body of a dead letter as a page shows it. */
import { describe, expect, it } from '@jest/globals';
import { bodyLines, problemsNow, readerIn } from '../../src/console/dead-letters/body-lines';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';

const marked = (body: string | Buffer, ...problems: string[]): [string, readonly string[]][] =>
  bodyLines(Buffer.from(body), problems)
    .lines.filter((line) => line.problems.length > 0)
    .map(({ text, problems: found }) => [text, found]);

const json = (value: unknown): string => JSON.stringify(value);

describe('the body of a dead letter', () => {
  it('is laid out as the same JSON, and lines with a problem have it beside them', () => {
    const value = {
      event: 'newsletter.subscribe',
      newsletters: ['a', 'b', 7],
      empty: {},
      none: [],
      inner: [{ x: null }],
    };
    const { lines, isJson, isCut } = bodyLines(Buffer.from(json(value)), []);
    expect({ isJson, isCut, body: lines.map(({ text }) => text).join('\n') }).toEqual({
      ...{ isJson: true, isCut: false },
      body: JSON.stringify(value, null, 2),
    });
    expect(marked(json(value), 'newsletters.2: must be a string')).toEqual([
      ['    7', ['newsletters.2: must be a string']],
    ]);
  });

  it('has the problems that this version finds, in fields of any envelope of account events', () => {
    const fields = { uid: 'short', ts: 1, email: 'ada@mail.test' };
    const token = {
      sub: 'short',
      iat: 1,
      events: { 'https://schemas.accounts.firefox.com/event/profile-change': { email: 'x' } },
    };
    const find = (message: object) => {
      const content = Buffer.from(json(message));
      return marked(content, ...(problemsNow(content, FXA_QUEUE) ?? [])).map(([text]) => text.trim());
    };
    expect(find({ event: 'login', ...fields })).toEqual(['"uid": "short",', '"ts": 1,']);
    expect(find({ event: 'login', data: fields })).toEqual(['"uid": "short",', '"ts": 1,']);
    expect(find({ Message: json({ event: 'login', ...fields }) })).toEqual(['"uid": "short",', '"ts": 1,']);
    expect(find(token)).toEqual(['"sub": "short",', '"iat": 1,', '"email": "x"']);
  });

  it('has problems of missing fields, and of the message as a whole, at its first line', () => {
    expect(marked('{"event":"login"}', 'uid: is missing', 'ts: is missing')).toEqual([
      ['{', ['uid: is missing', 'ts: is missing']],
    ]);
    expect(marked('[]', 'message: must be a JSON object')).toEqual([['[]', ['message: must be a JSON object']]]);
  });

  it('is shown as it came if it is not JSON, and with replacements if it is not UTF-8', () => {
    const shown = (body: Buffer) => {
      const { lines, isJson, isUtf8 } = bodyLines(body, ['message: is not JSON']);
      return { isJson, isUtf8, lines: lines.map(({ text }) => text) };
    };
    expect(shown(Buffer.from('{"a":\n}'))).toEqual({ isJson: false, isUtf8: true, lines: ['{"a":', '}'] });
    expect(shown(Buffer.from([0x61, 0xff, 0x62]))).toEqual({ isJson: false, isUtf8: false, lines: ['a\ufffdb'] });
    expect(shown(Buffer.from('7')).isJson).toBe(false);
    expect(shown(Buffer.from(`${'['.repeat(100_000)}`)).isJson).toBe(false);
    expect(shown(Buffer.from(`${'['.repeat(100)}${']'.repeat(100)}`)).isJson).toBe(false);
  });

  it('has visible signs in place of characters that steer a terminal or reorder text', () => {
    const { lines } = bodyLines(Buffer.from(json({ a: '\u202eevil', b: '\u0007' })), []);
    expect(lines.map(({ text }) => text)).toEqual(['{', '  "a": "\ufffdevil",', '  "b": "\\u0007"', '}']);
    expect(bodyLines(Buffer.from('\u001b[31m\u2066'), []).lines[0]?.text).toBe('\ufffd[31m\ufffd');
  });

  it('is cut if it is large, except for the lines with a problem', () => {
    const names = Array.from({ length: 10_000 }, (_, i) => (i === 9_000 ? 7 : 'x'));
    const { lines, isCut } = bodyLines(Buffer.from(json({ names })), ['names.9000: must be a string']);
    expect([isCut, lines.length < 2_100]).toEqual([true, true]);
    expect(lines.slice(-2)).toEqual([
      { text: '…', problems: [] },
      { text: '    7,', problems: ['names.9000: must be a string'] },
    ]);
    const long = bodyLines(Buffer.from(json({ long: 'x'.repeat(200_000) })), []);
    expect([long.isCut, (long.lines[1]?.text.length ?? 0) < 2_100]).toEqual([true, true]);
    const text = bodyLines(Buffer.alloc(3_000_000, 'x\n'), []);
    expect([text.isCut, text.lines.length <= 2_001]).toEqual([true, true]);
  });

  it('has no problem if this version understands it, and none that is known if its queue is unknown', () => {
    const fine = Buffer.from(json({ event: 'newsletter.unsubscribe', ts: 1.7e9, email: 'ada@mail.test', all: true }));
    expect([problemsNow(fine, NEWSLETTER_QUEUE), problemsNow(fine, 'elsewhere'), problemsNow(fine, null)]).toEqual([
      [],
      null,
      null,
    ]);
  });

  it('names a reader by an address, a token or an account, in any envelope', () => {
    const uid = 'ab'.repeat(16);
    const named = (value: unknown) => readerIn(Buffer.from(json(value)));
    expect(named({ email: 'ada@', token: 'b1f4d2a0-0d2c-4b8e-9a51-3f4f2b1c9d10' })).toMatch(/^b1f4/);
    expect(named({ Message: json({ event: 'login', uid, email: 7 }) })).toBe(uid);
    expect(named({ event: 'login', data: { email: 'ada@mail.test' }, uid })).toBe('ada@mail.test');
    expect([named([]), named({ email: ['x'] }), readerIn(Buffer.from('{'))]).toEqual([null, null, null]);
  });
});
