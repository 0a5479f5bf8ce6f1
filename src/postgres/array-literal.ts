/**
 * Values as the text of a PostgreSQL array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), to be cast:
 * `${arrayLiteral(ids)}::uuid[]`. For thousands of values, one text costs Prisma and pg a fraction of what an array costs.
 */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map(element).join(',')}}`;
}

/**
 * The same for one column of some rows. A column of nulls becomes an empty array: `unnest` fills up shorter arrays with
 * nulls.
 */
export function columnLiteral<Row>(rows: readonly Row[], pick: (row: Row) => string | number | boolean | null): string {
  let isNull = true;
  const elements = rows.map((row) => {
    const value = pick(row);
    if (value !== null) isNull = false;
    return element(value);
  });
  return isNull ? '{}' : `{${elements.join(',')}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (PLAIN.test(value) && !NULL.test(value)) return value;
  return `"${value.replace(ESCAPED, '\\$&')}"`;
}

/**
 * Values that need no quotes. Quoting is expensive because Prisma serialises parameters to JSON, which escapes each
 * quote.
 */
const PLAIN = /^[\w.@:/?=&%+~!#$*;'()[\]|^-]+$/;
const NULL = /^null$/i;
const ESCAPED = /["\\]/g;
