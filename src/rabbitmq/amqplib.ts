/**
 * amqplib with a bounded decoder of header tables. Its own decoder overflows the stack on deeply nested tables, which ends
 * the connection again and again. It is replaced before amqplib's other modules load it, so only this module may load
 * amqplib.
 */
import { dirname, join } from 'node:path';
import { decodeFields, MAX_DEPTH } from './field-table';

interface Codec {
  encodeTable(target: Buffer, table: object, offset: number): number;
  decodeFields: typeof decodeFields;
}
interface Definitions {
  BasicProperties: number;
  decode(id: number, bytes: Buffer): { headers?: unknown };
}

// amqplib exports neither of them, so they are found beside its main module.
const library = join(dirname(require.resolve('amqplib')), 'lib');
const codec: Codec = require(join(library, 'codec.js'));
codec.decodeFields = decodeFields;
const definitions: Definitions = require(join(library, 'defs.js'));
requireBound();

export const { connect }: typeof import('amqplib') = require('amqplib');

/**
 * Decodes properties as amqplib does for a delivery, to test the replacement: another version may decode tables
 * elsewhere.
 */
function requireBound(): void {
  const HEADERS_ONLY = 0b0010_0000_0000_0000;
  let nested: object = {};
  for (let level = 1; level <= MAX_DEPTH; level++) nested = { nested };
  const bytes = Buffer.alloc(1_024);
  bytes.writeUInt16BE(HEADERS_ONLY);
  const end = 2 + codec.encodeTable(bytes, nested, 2);
  const { headers } = definitions.decode(definitions.BasicProperties, bytes.subarray(0, end));
  if (JSON.stringify(headers) === JSON.stringify(decodeFields(bytes.subarray(6, end)))) return;
  throw new Error(
    'amqplib does not use the bounded decoder of headers: import amqplib from src/rabbitmq/amqplib.ts only, and use the locked version',
  );
}
