/**
 * Values as the text of a PostgreSQL array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), to be cast:
 * `${arrayLiteral(ids)}::uuid[]`. One text costs a fraction of what Prisma and pg make of an array of thousands.
 */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map(element).join(',')}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string' || PLAIN.test(value)) return String(value);
  return `"${value.replace(ESCAPED, '\\$&')}"`;
}

/** Needs no quotes. They are dear: Prisma has all parameters in JSON for a while, where each quote is escaped. */
const PLAIN = /^(?!null$)[^\s"\\{},]+$/i;
const ESCAPED = /["\\]/g;
