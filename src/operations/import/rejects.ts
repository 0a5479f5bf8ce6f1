import { createReadStream, existsSync } from 'node:fs';
import { chmod, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { OperatorError } from '../../foundation/operator-error';

/** A record that could not be taken, or not completely. */
export interface Reject {
  line: number;
  reason: string;
  /** Each names a field and what is wrong with it, or what was not taken. */
  problems: string[];
  /** The record as it was read; absent when the line is not JSON. */
  record?: unknown;
}

/** NDJSON with personal data, so only its owner may read it (mode 0600). Created with the first reject. */
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
    const kept: string[] = [];
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const reject = parse(line);
      // A crash may have cut off the last line.
      if (!reject && kept.length === 0 && line !== '') {
        throw new OperatorError('The rejects file exists and holds something else: name another one with --rejects.');
      }
      if (reject && reject.line <= after) kept.push(line);
      else if (after === 0) break;
    }
    if (kept.length === 0) {
      await rm(path);
      return rejects;
    }
    const part = new RejectsFile(`${path}.part`);
    await part.#write(kept);
    await part.close();
    await rename(part.path, path);
    return rejects;
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    await this.#write(rejects.map((reject) => JSON.stringify(reject)));
  }

  /** Resolves when everything added is on the disk. */
  async flush(): Promise<void> {
    await this.#file?.datasync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    if (!this.#file) {
      this.#file = await open(this.path, 'a', 0o600).catch((error: NodeJS.ErrnoException) => {
        throw new OperatorError(`The rejects file cannot be written (${error.code}): name another one with --rejects.`);
      });
      await chmod(this.path, 0o600);
    }
    await this.#file.appendFile(lines.map((line) => `${line}\n`).join(''));
  }
}

function parse(line: string): { line: number } | null {
  try {
    const reject = JSON.parse(line);
    return Number.isInteger(reject?.line) && typeof reject.reason === 'string' ? reject : null;
  } catch {
    return null;
  }
}
