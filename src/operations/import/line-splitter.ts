import { isUtf8 } from 'node:buffer';

/** A line of the input, numbered from 1; `bytes` is null for a line that cannot be read. */
export type Line = { number: number } & ({ bytes: Buffer } | { bytes: null; problem: 'too_large' | 'not_utf8' });

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Splits chunks into lines. Discards the bytes of a line that is too long, so that memory stays bounded. */
export class LineSplitter {
  #number = 1;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param after lines up to this number are skipped */
  constructor(
    private readonly maxBytes: number,
    private readonly after = 0,
  ) {}

  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(...this.#take());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** Returns the last line if no newline ended it. */
  end(): Line[] {
    return this.#bytes === 0 ? [] : this.#take();
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.maxBytes) this.#parts = [];
    else this.#parts.push(part);
  }

  /** Ends the current line. Returns an empty list for a line that is skipped. */
  #take(): Line[] {
    const number = this.#number++;
    const isTooLarge = this.#bytes > this.maxBytes;
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    if (number <= this.after) return [];
    if (isTooLarge) return [{ number, bytes: null, problem: 'too_large' }];
    let bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    return isUtf8(bytes) ? [{ number, bytes }] : [{ number, bytes: null, problem: 'not_utf8' }];
  }
}
