/**
 * Values as the text of a PostgreSQL array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), to be cast:
 * `${arrayLiteral(ids)}::uuid[]`. For thousands of values, one text costs Prisma and pg a fraction of an array.
 */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map(element).join(',')}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (PLAIN.test(value) && !NULL.test(value)) return value;
  return `"${value.replace(ESCAPED, '\\$&')}"`;
}

/** Needs no quotes. Quoting is expensive because Prisma serialises parameters to JSON, which escapes each quote. */
const PLAIN = /^[\w.@:/?=&%+~!#$*;'()[\]|^-]+$/;
const NULL = /^null$/i;
const ESCAPED = /["\\]/g;
