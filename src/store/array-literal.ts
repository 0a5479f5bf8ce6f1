/**
 * Values as the text of a PostgreSQL array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), to be cast:
 * `${arrayLiteral(ids)}::uuid[]`. One text costs a fraction of what Prisma and pg make of an array of thousands.
 */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map(element).join(',')}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  return `"${NEEDS_ESCAPE.test(value) ? value.replace(EVERY_ESCAPE, '\\$&') : value}"`;
}

const NEEDS_ESCAPE = /["\\]/;
const EVERY_ESCAPE = /["\\]/g;
