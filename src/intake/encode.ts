/** The bytes of a message. JSON can express 1e999, which JavaScript would write as null, and null clears a field. */
export const encode = (message: object): Buffer =>
  Buffer.from(
    JSON.stringify(message, (_key, value) => (typeof value === 'number' && !Number.isFinite(value) ? {} : value)),
  );
