import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HEAD = ['Fault', 'Heartbeat red within', 'Metric', 'What ended it', 'Green, and all handled, within'];

/** Where the tests of a run, which may have processes of their own, write what they saw. */
export const tableFile = (): string => join(tmpdir(), `onecontact-faults-${process.env.ONECONTACT_TEST_RUN}.ndjson`);

/** The rows as Markdown. */
export function takeTable(): string {
  if (!existsSync(tableFile())) return '';
  const lines = readFileSync(tableFile(), 'utf8').trim().split('\n');
  rmSync(tableFile());
  const rows = [HEAD, HEAD.map(() => '---'), ...lines.map((line) => JSON.parse(line) as string[])];
  return `\n${rows.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}\n`;
}
