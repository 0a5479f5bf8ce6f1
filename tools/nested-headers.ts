/** Headers with more levels of tables and arrays than amqplib can write. */
import type { Channel } from 'amqplib';
import type { Random } from './random';

/** The field whose value is given as bytes, and written as a table. */
const NAME = 'nested';

/** The broker accepts some 18,000 levels, our publisher 48 KiB. */
const MAX_LEVELS = 6_800;

/** From one level to thousands, to be published through a channel that {@link writingTables}. */
export function nestedHeaders(random: Random): Record<string, unknown> {
  const levels = Math.floor(MAX_LEVELS ** random.next());
  const types = Array.from({ length: levels }, () => random.pick(['F', 'A']));
  // A field of a table has a name, an element of an array has none.
  const heads = types.map((type, level) => `${level === 0 || types[level - 1] === 'F' ? '\u0001a' : ''}${type}`);
  const bytes = Buffer.alloc(heads.reduce((sum, head) => sum + head.length + 4, 0));
  let offset = 0;
  for (const head of heads) {
    offset += bytes.write(head, offset, 'latin1') + 4;
    bytes.writeUInt32BE(bytes.length - offset, offset - 4);
  }
  return { [NAME]: bytes };
}

/** The channel, which now writes nested headers as tables: bytes and tables differ in the type before their length only. */
export function writingTables<C extends Channel>(channel: C): C {
  interface Internals {
    ch: number;
    connection: { channels: { buffer: { write(bytes: Buffer): boolean } }[] };
  }
  const { ch, connection } = channel as unknown as Internals;
  const { buffer } = connection.channels[ch] as Internals['connection']['channels'][number];
  const write = buffer.write.bind(buffer);
  const field = `${String.fromCharCode(NAME.length)}${NAME}x`;
  buffer.write = (bytes) => {
    const at = bytes.indexOf(field);
    if (at >= 0) bytes.write('F', at + field.length - 1);
    return write(bytes);
  };
  return channel;
}
