/** Text files with one address per line, as staff get them. */
import { readFile } from 'node:fs/promises';
import { OperatorError } from '../foundation/operator-error';
import { failureOf, needsOperator } from '../postgres/errors';

export interface ListLine {
  /** Counted from 1, blank lines included. */
  line: number;
  /** Trimmed, and not empty. */
  text: string;
}

/** A line that cannot be used. The problem quotes no part of the line, which may be personal data. */
export interface BadLine {
  line: number;
  problem: string;
}

/**
 * Reads the lines that are not blank.
 *
 * @throws OperatorError if the file cannot be read
 */
export async function readAddressList(path: string): Promise<ListLine[]> {
  const text = await readFile(path, 'utf8').catch(({ code = 'unknown' }: NodeJS.ErrnoException) => {
    throw new OperatorError(`The file cannot be read (${code}): name a text file with one address per line.`);
  });
  return text
    .split('\n')
    .map((line, i) => ({ line: i + 1, text: line.trim() }))
    .filter((it) => it.text !== '');
}

/**
 * Why a line failed. The lines after it can then be done.
 *
 * @throws the same error if it concerns all lines: the database is away, or an operator must act
 */
export function problemOf(error: unknown): string {
  const { kind, code } = failureOf(error);
  if (error instanceof OperatorError || kind === 'down' || needsOperator(error)) throw error;
  return `the database failed (${code})`;
}

/** How many lines the text output shows; `--json` has all of them. */
const SHOWN = 20;

export const badLinesText = (bad: readonly BadLine[]): string[] => [
  ...bad.slice(0, SHOWN).map(({ line, problem }) => `Line ${line}: ${problem}.`),
  ...(bad.length > SHOWN ? [`And ${bad.length - SHOWN} more lines: --json lists all.`] : []),
];
