/**
 * The bytes of a message. JSON can express 1e999, which JavaScript would write as null, and null clears a field. The message must not
 * be nested so deeply that a walk overflows the stack.
 */
export const encode = (message: object): Buffer =>
  Buffer.from(hasInfinity(message) ? JSON.stringify(message, withoutInfinity) : JSON.stringify(message));

/** Checked first, because a callback for every value takes ten times as long. */
function hasInfinity(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasInfinity);
}

/** Replaces infinity by another value that no field can have. */
const withoutInfinity = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? {} : value;
