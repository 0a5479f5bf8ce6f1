import type { ContactEvent } from '../contacts/facts/event';
import type { Failure } from '../postgres/errors';

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/**
 * What the log says about an event that the database refused with a data exception (SQLSTATE class 22). Either the decoders
 * let something through that it cannot store, which is a bug of ours, or the database's encoding is not UTF8. The
 * database seldom names a column, so the event's fields with more than printable ASCII are named too; never a value.
 * Null for any other failure.
 */
export function dataFault(
  { code, column }: Failure,
  event: ContactEvent,
): { column?: string; fields: string[] } | null {
  if (!/^22...$/.test(code)) return null;
  const fields = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string' && !PRINTABLE_ASCII.test(value)) fields.add(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) visit(inner, Array.isArray(value) ? path : [path, key].join('.'));
  };
  for (const [field, value] of Object.entries(event)) visit(value, field);
  return { ...(column !== undefined && { column }), fields: [...fields] };
}
