import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { decodeFields, MAX_DEPTH } from '../../src/rabbitmq/field-table';
import { nested } from '../support/raw-headers';

interface Codec {
  encodeTable(target: Buffer, table: object, offset: number): number;
  decodeFields(fields: Buffer): unknown;
}
const amqplib: Codec = require(join(dirname(require.resolve('amqplib')), 'lib/codec.js'));

function encoded(table: object): Buffer {
  const bytes = Buffer.alloc(10_000);
  return bytes.subarray(4, amqplib.encodeTable(bytes, table, 0));
}

function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

const EVERYTHING = {
  text: 'é😀',
  bytes: Buffer.from([0, 255]),
  numbers: [0, 127, -128, 30_000, -2_000_000_000, 2 ** 40, 1.5, -2.25],
  ...Object.fromEntries(
    ['float', 'double', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64'].map((type) => [
      type,
      { '!': type, value: 7 },
    ]),
  ),
  flags: { yes: true, no: false, nothing: null },
  at: { '!': 'timestamp', value: 1_769_000_100 },
  price: { '!': 'decimal', value: { places: 2, digits: 1_234 } },
  empty: [{}, []],
};

describe('a header table', () => {
  it('is read as amqplib reads it', () => {
    const bytes = encoded(EVERYTHING);
    expect(decodeFields(bytes)).toEqual(amqplib.decodeFields(bytes));
    expect(Object.keys(decodeFields(bytes))).toEqual(Object.keys(EVERYTHING));
  });

  it('is read down to a fixed depth, however deep it is', () => {
    for (const type of ['F', 'A'] as const) {
      for (const levels of [1, MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH, 4_000, 18_000]) {
        const depth = depthOf(decodeFields(nested(type, levels)));
        expect({ type, levels, depth }).toEqual({ type, levels, depth: Math.min(levels + 1, MAX_DEPTH) });
      }
    }
  });

  it('keeps the fields after one that is too deep', () => {
    const bytes = Buffer.concat([nested('F', 4_000), encoded({ after: 'kept' })]);
    expect(decodeFields(bytes)).toMatchObject({ after: 'kept' });
  });

  it('keeps the fields before one that cannot be read', () => {
    const bytes = encoded({ first: 1, second: [1, 'two'], third: 'three' });
    for (let length = 0; length < bytes.length; length++) decodeFields(bytes.subarray(0, length)); // none throws
    const unknown = Buffer.from('\u0003odd?');
    expect(decodeFields(Buffer.concat([bytes, unknown, bytes]))).toEqual(decodeFields(bytes));
  });

  it('cannot change the prototype of the headers', () => {
    const table = JSON.parse('{"__proto__":{"attempts":3},"own":1}') as object;
    const headers = decodeFields(encoded(table));
    expect([headers.attempts, headers.own]).toEqual([undefined, 1]);
  });
});
