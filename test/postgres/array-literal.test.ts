import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { arrayLiteral } from '../../src/postgres/array-literal';
import { freshDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase({ migrated: false });
});
afterAll(() => database?.drop());

/** Strings that PostgreSQL accepts: without NUL characters and lone surrogates. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', '')),
  fc.constantFrom(
    '',
    ' ',
    '{}',
    '{',
    '"',
    '\\',
    '\\"',
    'NULL',
    'null',
    'a,b',
    ' a ',
    "'",
    '\n',
    '\t',
    '$1',
    '😀',
    '{"a":"\\"}',
  ),
);

it('PostgreSQL parses an array literal into exactly the original values', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text)), fc.array(fc.option(fc.double())), async (texts, numbers) => {
      const [row] = await database.db.$queryRaw<{ texts: string[]; numbers: number[] }[]>`
        SELECT ${arrayLiteral(texts)}::text[] AS texts, ${arrayLiteral(numbers)}::float8[] AS numbers`;
      expect(row?.texts).toEqual(texts);
      expect(row?.numbers).toEqual(numbers.map((number) => (number === null ? null : number + 0))); // of zeros it has one
    }),
    { numRuns: 300 },
  );
});
