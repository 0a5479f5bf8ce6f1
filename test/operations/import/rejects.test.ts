/** The rejects file: records as they came, whatever they hold. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, jest } from '@jest/globals';
import { manyRecords, useImports } from '../../support/imports';
import { ctms } from '../../support/records';

jest.setTimeout(240_000);

const imports = useImports();
const { file, importing, rejectsOf, summary, whileFailingAt } = imports;

describe('onecontact import, rejects', () => {
  const nested = (depth: number) => `{"x":${'['.repeat(depth)}${']'.repeat(depth)},"email":{}}`;

  it('keeps the bytes of a rejected record, however deeply it is nested, and imports the rest', async () => {
    const record = ctms({ a: 'a', id: 'b' });
    const lines = [
      JSON.stringify(ctms({ a: 'b' })),
      nested(200_000),
      `${JSON.stringify(record).slice(0, -1)}, "x": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      JSON.stringify(ctms({ a: 'c' })),
    ];
    const path = file(lines);
    for (let run = 0; run < 2; run++) {
      expect(await summary(path)).toMatchObject({
        ...{ records: 4, imported: 2 },
        rejected: { invalid_shape: 1, email_id_taken: 1 },
      });
      const rejects = readFileSync(`${path}.rejects.ndjson`, 'utf8').split('\n');
      expect(rejects.map((line) => line.slice(line.indexOf('"record":') + 9, -1))).toEqual([lines[1], lines[2], '']);
    }
  });

  it('is not confused by line separators of Unicode in a rejected record, also when it is resumed', async () => {
    const odd = (a: string) => JSON.stringify(ctms({ a, email: { primary_email: `no\u2028at\u2029sign ${a}` } }));
    const broken = [odd('b'), odd('c'), 'broken'];
    const path = file([...broken, ...manyRecords(2_500)]);
    await whileFailingAt('r2200', () => importing(path));
    expect(await summary(path)).toMatchObject({ resumed: 2_000, rejected: { invalid_address: 2, not_json: 1 } });
    expect(rejectsOf(path).map(({ line }) => line)).toEqual([1, 2, 3]);
    expect(rejectsOf(path)[0].record.email.primary_email).toContain('\u2028');
    expect(await importing(path)).toMatchObject({ code: 1 });
  });
});
