import { isUtf8 } from 'node:buffer';

/** A line of the input, numbered from 1; `bytes` is null for a line that cannot be read. */
export type Line = { number: number } & ({ bytes: Buffer } | { bytes: null; problem: 'too_large' | 'not_utf8' });

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Splits chunks into lines. Discards the bytes of a line that is too long, so that memory stays bounded. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #after: number;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #skipping = false;
  #number = 0;

  /** @param after lines up to this number are skipped */
  constructor(maxBytes: number, after = 0) {
    this.#maxBytes = maxBytes;
    this.#after = after;
  }

  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, end));
      const line = this.#take();
      if (line.number > this.#after) lines.push(line);
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** Returns the last line if no newline ended it. */
  end(): Line[] {
    if (this.#restBytes === 0) return [];
    const line = this.#take();
    return line.number > this.#after ? [line] : [];
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#restBytes += part.length;
    if (this.#restBytes > this.#maxBytes) {
      this.#skipping = true;
      this.#rest = [];
    } else {
      this.#rest.push(part);
    }
  }

  #take(): Line {
    this.#number += 1;
    const number = this.#number;
    if (this.#skipping || number <= this.#after) {
      this.#clear();
      return { number, bytes: null, problem: 'too_large' };
    }
    let bytes = this.#rest.length === 1 ? (this.#rest[0] as Buffer) : Buffer.concat(this.#rest);
    this.#clear();
    if (number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    if (!isUtf8(bytes)) return { number, bytes: null, problem: 'not_utf8' };
    return { number, bytes };
  }

  #clear(): void {
    this.#rest = [];
    this.#restBytes = 0;
    this.#skipping = false;
  }
}
