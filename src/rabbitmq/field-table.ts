/** Reads AMQP field tables (https://www.rabbitmq.com/amqp-0-9-1-errata#section_3), which carry a message's headers. */

/** The most levels of tables and arrays in headers, the headers themselves included. */
export const MAX_DEPTH = 32;

/**
 * Decodes the fields of a table. The values are those of amqplib's own decoder, which has no limit: a few thousand nested
 * tables overflow the stack, which ends the connection. Here tables and arrays below {@link MAX_DEPTH} are null. Never
 * throws: from the first field that cannot be read, the rest of its table is left out.
 */
export function decodeFields(bytes: Buffer): Record<string, unknown> {
  return readTable(bytes, 1);
}

function readTable(bytes: Buffer, depth: number): Record<string, unknown> {
  const reader = new Reader(bytes, depth);
  const fields: [string, unknown][] = [];
  attempt(() => {
    while (!reader.atEnd) fields.push([reader.shortText(), reader.value()]);
  });
  return Object.fromEntries(fields); // an assignment to `__proto__` would set the prototype
}

function readArray(bytes: Buffer, depth: number): unknown[] {
  const reader = new Reader(bytes, depth);
  const values: unknown[] = [];
  attempt(() => {
    while (!reader.atEnd) values.push(reader.value());
  });
  return values;
}

function attempt(read: () => void): void {
  try {
    read();
  } catch {
    // The field is truncated, or has an unknown type, and so an unknown length.
  }
}

class Reader {
  #offset = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly depth: number,
  ) {}

  get atEnd(): boolean {
    return this.#offset >= this.bytes.length;
  }

  shortText(): string {
    const length = this.bytes.readUInt8(this.#skip(1));
    const start = this.#skip(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  value(): unknown {
    const { bytes } = this;
    const type = String.fromCharCode(bytes.readUInt8(this.#skip(1)));
    switch (type) {
      case 'S':
        return this.#long().toString();
      case 'F':
        return this.#nested(readTable);
      case 'A':
        return this.#nested(readArray);
      case 'x':
        return this.#long();
      case 'V':
        return null;
      case 't':
        return bytes.readUInt8(this.#skip(1)) !== 0;
      case 'b':
        return bytes.readInt8(this.#skip(1));
      case 'B':
        return bytes.readUInt8(this.#skip(1));
      case 's':
        return bytes.readInt16BE(this.#skip(2));
      case 'u':
        return bytes.readUInt16BE(this.#skip(2));
      case 'I':
        return bytes.readInt32BE(this.#skip(4));
      case 'i':
        return bytes.readUInt32BE(this.#skip(4));
      case 'l':
        return Number(bytes.readBigInt64BE(this.#skip(8)));
      case 'f':
        return bytes.readFloatBE(this.#skip(4));
      case 'd':
        return bytes.readDoubleBE(this.#skip(8));
      case 'T':
        return { '!': 'timestamp', value: Number(bytes.readBigUInt64BE(this.#skip(8))) };
      case 'D': {
        const places = bytes.readUInt8(this.#skip(1));
        return { '!': 'decimal', value: { places, digits: bytes.readUInt32BE(this.#skip(4)) } };
      }
      default:
        throw new TypeError('unknown type of a field');
    }
  }

  #nested(read: (bytes: Buffer, depth: number) => unknown): unknown {
    const content = this.#long();
    return this.depth < MAX_DEPTH ? read(content, this.depth + 1) : null;
  }

  /** Bytes that carry their own length. */
  #long(): Buffer {
    const length = this.bytes.readUInt32BE(this.#skip(4));
    const start = this.#skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** @returns the offset before the skipped bytes */
  #skip(length: number): number {
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
