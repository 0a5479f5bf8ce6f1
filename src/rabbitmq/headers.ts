/** Headers of a message to publish. `undefined` values are left out. */
export type Headers = Readonly<Record<string, unknown>>;

/** The longest text in a header, in bytes: an error text may have any length. */
const MAX_TEXT = 4_096;
/** AMQP's limit for a key, in bytes. Invalid UTF-8 may exceed it once decoded. */
const MAX_KEY = 255;
/** The limit for all headers together, in bytes. amqplib throws above 64 KiB. */
const MAX_TOTAL = 48 * 1_024;

/**
 * Reduces headers to what can be published. Texts over 4 KiB are cut and values without an AMQP type left out. If the
 * rest is too large, the largest headers are left out until it fits; ours are small, so those are foreign. Never throws.
 */
export function fitHeaders(headers: Headers): Record<string, unknown> {
  const entries: { key: string; value: unknown; size: number }[] = [];
  let total = 0;
  for (const [key, raw] of Object.entries(headers)) {
    const value = encodable(raw);
    if (value === undefined || Buffer.byteLength(key) > MAX_KEY) continue;
    const size = Buffer.byteLength(key) + 1 + sizeOf(value);
    entries.push({ key, value, size });
    total += size;
  }
  if (total > MAX_TOTAL) {
    entries.sort((a, b) => b.size - a.size);
    while (total > MAX_TOTAL) total -= entries.shift()?.size ?? total;
  }
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

/** Cuts a longer text at a character boundary to `maxBytes` of UTF-8, an ellipsis included. */
export function cutText(text: string, maxBytes = MAX_TEXT): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let end = maxBytes - 3; // the ellipsis
  const bytes = Buffer.from(text);
  while (end > 0 && (bytes[end]! & 0b1100_0000) === 0b1000_0000) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}

/** The value as amqplib can write it, or `undefined`. Every type that amqplib can receive must be writable again. */
function encodable(value: unknown): unknown {
  if (typeof value === 'string') return cutText(value);
  if (typeof value === 'boolean' || value === null || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return undefined; // RabbitMQ would close the connection: Erlang has no such numbers
    // amqplib writes a number without a fraction as an integer, and fails if no integer type holds it.
    return Number.isSafeInteger(value) ? value : { '!': 'double', value };
  }
  if (Array.isArray(value)) return value.map(encodable).filter((item) => item !== undefined);
  if (typeof value !== 'object') return undefined;
  if ('!' in value) return isTyped(value) ? value : undefined;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const written = Buffer.byteLength(key) > MAX_KEY ? undefined : encodable(inner);
      return written === undefined ? [] : [[key, written]];
    }),
  );
}

/** amqplib's notation for types that JavaScript lacks. It produces only these two from received headers. */
function isTyped(value: { '!'?: unknown; value?: unknown }): boolean {
  const inner = value.value;
  if (value['!'] === 'timestamp') return typeof inner === 'number' && Number.isSafeInteger(inner) && inner >= 0;
  return (
    value['!'] === 'decimal' && typeof inner === 'object' && inner !== null && 'places' in inner && 'digits' in inner
  );
}

/** Upper bound of the bytes that a value takes in a field table. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 5 + Buffer.byteLength(value);
  if (Buffer.isBuffer(value)) return 5 + value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 5);
  if (typeof value !== 'object' || value === null || '!' in value) return 9;
  return Object.entries(value).reduce((sum, [key, item]) => sum + 1 + Buffer.byteLength(key) + sizeOf(item), 5);
}
