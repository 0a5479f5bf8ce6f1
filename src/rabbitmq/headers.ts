import { MAX_DEPTH } from './field-table';

/** Headers of a message to publish. `undefined` values are left out. */
export type Headers = Readonly<Record<string, unknown>>;

/** The longest text in a header, in bytes: an error text may have any length. */
const MAX_TEXT = 4_096;
/** AMQP's limit for a key, in bytes. Invalid UTF-8 may exceed it once decoded. */
const MAX_KEY = 255;
/** The limit for all headers together, in bytes. amqplib throws above 64 KiB. */
const MAX_TOTAL = 48 * 1_024;

/**
 * Reduces headers to what can be published. Texts over 4 KiB are cut, values without an AMQP type are left out, and tables
 * and arrays below {@link MAX_DEPTH} levels become null. If the rest is too large, the largest headers are left out until it
 * fits; these are always foreign, because ours are small. Never throws.
 */
export function fitHeaders(headers: Headers): Record<string, unknown> {
  const entries: { key: string; value: unknown; size: number }[] = [];
  let total = 0;
  for (const [key, raw] of Object.entries(headers)) {
    const value = encodable(raw, 2);
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

/**
 * The value as amqplib can write it, or `undefined`. Every type that amqplib can receive must be writable again.
 *
 * @param level the level of the value, if it is a table or an array; the headers themselves have level 1
 */
function encodable(value: unknown, level: number): unknown {
  if (typeof value === 'string') return cutText(value);
  if (typeof value === 'boolean' || value === null || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return undefined; // RabbitMQ would close the connection: Erlang has no such numbers
    // amqplib writes a number without a fraction as an integer, and fails if no integer type holds it.
    return Number.isSafeInteger(value) ? value : { '!': 'double', value };
  }
  if (typeof value !== 'object') return undefined;
  if ('!' in value) return isTyped(value) ? value : undefined;
  if (level > MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item) => encodable(item, level + 1)).filter((item) => item !== undefined);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const written = Buffer.byteLength(key) > MAX_KEY ? undefined : encodable(inner, level + 1);
      return written === undefined ? [] : [[key, written]];
    }),
  );
}

/** amqplib's notation for types that JavaScript lacks. It produces only these two from received headers. */
function isTyped(value: { '!'?: unknown; value?: unknown }): boolean {
  const inner = value.value;
  if (value['!'] === 'timestamp') return isWhole(inner, Number.MAX_SAFE_INTEGER);
  if (value['!'] !== 'decimal' || typeof inner !== 'object' || inner === null) return false;
  return 'places' in inner && isWhole(inner.places, 0xff) && 'digits' in inner && isWhole(inner.digits, 0xffff_ffff);
}

const isWhole = (value: unknown, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;

/** Upper bound of the bytes that a value takes in a field table. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 5 + Buffer.byteLength(value);
  if (Buffer.isBuffer(value)) return 5 + value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 5);
  if (typeof value !== 'object' || value === null || '!' in value) return 9;
  return Object.entries(value).reduce((sum, [key, item]) => sum + 1 + Buffer.byteLength(key) + sizeOf(item), 5);
}
