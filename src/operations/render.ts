/** How commands show things to people. */
import { Help } from 'commander';

/** Makes received text safe for a terminal: control characters become visible. */
export const harmless = (text: string): string => text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');

/** The same for a text of several lines. */
export const harmlessLines = (text: string): string =>
  text.replace(/[^\P{Cc}\n\t]|[\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');

/** `1,234` */
export const number = (n: number): string => n.toLocaleString('en');

/** `1 contact`, `1,234 contacts`, `2 addresses` */
export const count = (n: number, noun: string): string =>
  `${number(n)} ${n === 1 ? noun : `${noun}${noun.endsWith('s') ? 'es' : 's'}`}`;

/** One line per row; each column is as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) => tableRow(row, widths));
}

/** One row with given widths of the columns, for rows that are printed before all rows are known. */
export const tableRow = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => harmless(cell).padEnd(widths[i] ?? 0))
    .join('  ')
    .trimEnd();

/**
 * A table if it fits the terminal; otherwise a block for each row, with the headings as names.
 *
 * @param continues whether earlier rows were printed before, so that no heading is needed
 */
export function listing(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
  continues = false,
): string[] {
  const lines = table([head, ...rows]);
  if (lines.every(({ length }) => length <= columns)) return lines.slice(continues ? 1 : 0);
  const width = Math.max(...head.slice(1).map(({ length }) => length)) + 2;
  return rows.flatMap((row, i) => [
    ...(i > 0 || continues ? [''] : []),
    ...wrap(harmless(`${head[0]} ${row[0]}`.trim()), columns),
    ...row
      .slice(1)
      .flatMap((cell, j) => wrap(`  ${(head[j + 1] ?? '').padEnd(width)}${harmless(cell)}`, columns, width + 2)),
  ]);
}

/** Breaks a text between words, so that each line fits the terminal; the lines after the first are indented. */
export function wrap(text: string, columns: number, indent = 0): string[] {
  const [first = '', ...rest] = new Help().boxWrap(text.slice(indent), columns - indent).split('\n');
  return [text.slice(0, indent) + first, ...rest.map((line) => ' '.repeat(indent) + line)];
}

/** `2026-11-25 17:57:19`, in UTC; JSON has ISO 8601. */
export const shortTime = (time: number | string | Date): string =>
  new Date(time).toISOString().slice(0, 19).replace('T', ' ');

/** The same, for places where nothing else says that times are UTC. */
export const shortTimeUtc = (time: number | string | Date): string => `${shortTime(time)} UTC`;

/** A name and its value; several values take a line each. */
export type Field = readonly [name: string, value: string | null | readonly string[]];

/** One line per value, with the name of the field before the first; `-` if there is no value. */
export function fields(rows: readonly Field[]): string[] {
  return rows.flatMap(([name, value]) => {
    const values = typeof value === 'string' ? [value] : value?.length ? value : ['-'];
    return values.map((text, i) => `${(i === 0 ? name : '').padEnd(15)}${harmless(text)}`);
  });
}
