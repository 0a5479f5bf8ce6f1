import { createReadStream, existsSync } from 'node:fs';
import { chmod, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { OperatorError } from '../../foundation/operator-error';
import { type Line, LineSplitter } from './line-splitter';

/** A record that could not be imported, or not completely. */
export interface Reject {
  line: number;
  reason: string;
  /** Each problem names a field and what is wrong with it, or what was not imported. */
  problems: string[];
  /** The line as it was read, if it is JSON. Not the parsed value, which may be nested too deeply to be written again. */
  bytes?: Buffer;
}

/** Longer lines in a rejects file were not written by an import: a record of the maximum length and its problems fit. */
const MAX_REJECT = 2 * 1024 * 1024;

/** A file of NDJSON with personal data, so only its owner may read it (mode 0600). Created with the first reject. */
export class RejectsFile {
  #file: FileHandle | null = null;

  private constructor(readonly path: string) {}

  /**
   * Opens the rejects file of a run that starts after line `after`: keeps the rejects of an earlier run up to that line
   * and removes its later ones.
   *
   * @throws OperatorError when the file exists and holds something else
   */
  static async at(path: string, after: number): Promise<RejectsFile> {
    const rejects = new RejectsFile(path);
    if (!existsSync(path)) return rejects;
    const part = new RejectsFile(`${path}.part`);
    await rm(part.path, { force: true });
    let isFirst = true;
    try {
      for await (const lines of linesOf(path)) {
        const read = lines.map((bytes) => ({ bytes, line: lineIn(bytes) }));
        if (isFirst && read[0] && !isOurs(read[0].bytes)) {
          throw new OperatorError(
            'The rejects file exists, and an import did not write it: name another file with --rejects.',
          );
        }
        isFirst &&= read.length === 0;
        const kept = read.filter(({ line }) => line !== null && line <= after);
        await part.#write(kept.flatMap(({ bytes }) => [bytes as Buffer, NEWLINE]));
        if (after === 0 && !isFirst) break;
      }
    } finally {
      await part.close();
    }
    if (existsSync(part.path)) await rename(part.path, path);
    else await rm(path);
    return rejects;
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    await this.#write(rejects.flatMap(chunksOf));
  }

  /** Resolves when everything added is on the disk. */
  async flush(): Promise<void> {
    await this.#file?.datasync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    if (chunks.length === 0) return;
    if (!this.#file) {
      this.#file = await open(this.path, 'a', 0o600).catch((error: NodeJS.ErrnoException) => {
        throw new OperatorError(
          `The rejects file cannot be written (${error.code}): name another file with --rejects.`,
        );
      });
      await chmod(this.path, 0o600);
    }
    await this.#file.appendFile(Buffer.concat(chunks));
  }
}

const BEGINNING = Buffer.from('{"line":');
const NEWLINE = Buffer.from('\n');
const END = Buffer.from('}\n');

/** One line, which contains the record byte for byte. */
function chunksOf({ bytes, ...reject }: Reject): Buffer[] {
  const text = JSON.stringify(reject);
  return bytes ? [Buffer.from(`${text.slice(0, -1)},"record":`), bytes, END] : [Buffer.from(text), NEWLINE];
}

/** Splits only at newlines, because a record may contain other line separators, such as U+2028. Null for a foreign line. */
async function* linesOf(path: string): AsyncIterable<(Buffer | null)[]> {
  const splitter = new LineSplitter(MAX_REJECT);
  const bytesOf = (line: Line): Buffer | null => line.bytes;
  for await (const chunk of createReadStream(path)) yield splitter.push(chunk as Buffer).map(bytesOf);
  yield splitter.end().map(bytesOf);
}

/** A crash may have cut off a line, even the first one. */
const isOurs = (bytes: Buffer | null): boolean =>
  bytes?.subarray(0, BEGINNING.length).equals(BEGINNING.subarray(0, bytes.length)) ?? false;

/** The number of the line that a reject is about; null for anything else. */
function lineIn(bytes: Buffer | null): number | null {
  try {
    const reject = JSON.parse(bytes?.toString() ?? '');
    return Number.isInteger(reject?.line) && typeof reject.reason === 'string' ? reject.line : null;
  } catch {
    return null;
  }
}
