/** How commands show things to people. */

/** Makes text from outside safe for a terminal: control characters become visible. */
export const harmless = (text: string): string => text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');

/** `1,234` */
export const number = (n: number): string => n.toLocaleString('en');

/** `1 contact`, `1,234 contacts`, `2 addresses` */
export const count = (n: number, noun: string): string =>
  `${number(n)} ${n === 1 ? noun : `${noun}${noun.endsWith('s') ? 'es' : 's'}`}`;

/** A line for each row; each column as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) => tableRow(row, widths));
}

/** One row, with the widths of its columns given: for rows that are printed before all are known. */
export const tableRow = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => harmless(cell).padEnd(widths[i] ?? 0))
    .join('  ')
    .trimEnd();

/** A name and its value; several values take a line each. */
export type Field = readonly [name: string, value: string | null | readonly string[]];

/** A line for each value, with the name of the field before the first; `-` where there is no value. */
export function fields(rows: readonly Field[]): string[] {
  return rows.flatMap(([name, value]) => {
    const values = typeof value === 'string' ? [value] : value?.length ? value : ['-'];
    return values.map((text, i) => `${(i === 0 ? name : '').padEnd(15)}${harmless(text)}`);
  });
}
