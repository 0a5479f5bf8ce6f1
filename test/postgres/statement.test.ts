import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Columns, namesOf, rowSource } from '../../src/postgres/statement';
import { freshDatabase, type TestDatabase } from '../support/database';

interface Row {
  name: string;
  source: string | null;
}

const COLUMNS: Columns<Row> = {
  name: ['text', ({ name }) => name],
  source: ['repeated text', ({ source }) => source],
};

describe('text that many rows repeat', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database?.drop());

  const long = `https://site.test/${'x'.repeat(2_000)}, "{}\\`;
  const rows: Row[] = [
    ...Array.from({ length: 100 }, (_, i) => ({ name: `n${i}`, source: i % 2 === 0 ? long : 'short' })),
    { name: 'none', source: null },
    { name: 'empty', source: '' },
  ];

  it('is sent once', () => {
    const sent = rowSource(rows, COLUMNS).values.join('');
    expect(sent.split('https://site.test/')).toHaveLength(2);
    expect(sent.length).toBeLessThan(2 * long.length);
  });

  it('arrives in each row that has it', async () => {
    const source = rowSource(rows, COLUMNS);
    const stored = await database.db.$queryRaw`SELECT ${namesOf(COLUMNS)} FROM ${source} ORDER BY ordinal`;
    expect(stored).toEqual(rows);
  });
});
