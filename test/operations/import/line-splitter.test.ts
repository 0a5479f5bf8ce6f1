import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from '../../../src/operations/import/line-splitter';

function split(chunks: readonly Buffer[], maxBytes = 100, after = 0) {
  const splitter = new LineSplitter(maxBytes, after);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()].map(({ bytes, ...line }) => ({
    ...line,
    text: bytes?.toString() ?? null,
  }));
}
const texts = (...args: Parameters<typeof split>) => split(...args).map(({ text }) => text);

describe('LineSplitter', () => {
  it('gives the same lines for any chunks', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(40), { maxLength: 8 }), (text, cuts) => {
        const bytes = Buffer.from(text);
        const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
        const lines = text.split('\n');
        if (lines.at(-1) === '') lines.pop();
        expect(texts(chunks, 1_000)).toEqual(lines);
      }),
    );
  });

  it('reports a line that is too long or not UTF-8 by its number, and continues', () => {
    const bytes = Buffer.concat([
      Buffer.from(`a\n${'x'.repeat(101)}\nb\n`),
      Buffer.from([0xc3, 0x28, 0x0a]),
      Buffer.from('c'),
    ]);
    for (const chunks of [[bytes], [...bytes].map((byte) => Buffer.from([byte]))]) {
      expect(split(chunks)).toEqual([
        { number: 1, text: 'a' },
        { number: 2, text: null, problem: 'too_large' },
        { number: 3, text: 'b' },
        { number: 4, text: null, problem: 'not_utf8' },
        { number: 5, text: 'c' },
      ]);
    }
  });

  it('skips a byte order mark and the lines that an earlier run has done', () => {
    expect(texts([Buffer.from('\ufeffa\nb')])).toEqual(['a', 'b']);
    expect(split([Buffer.from('a\nb\nc')], 100, 2)).toEqual([{ number: 3, text: 'c' }]);
  });
});
