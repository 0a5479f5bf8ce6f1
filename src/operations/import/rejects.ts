import { createReadStream, existsSync } from 'node:fs';
import { chmod, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { OperatorError } from '../../foundation/operator-error';

/** What could not be taken, or not all of it. The only place where a record's personal data are written to. */
export interface Reject {
  line: number;
  reason: string;
  /** Each names a field and what is wrong with it, or what was not taken. */
  problems: string[];
  /** As it came; absent where it could not be read. */
  record?: unknown;
}

/** NDJSON for the eyes of its owner alone (mode 0600). There is no file until there is something to write. */
export class RejectsFile {
  #file: FileHandle | null = null;
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * @param after what an earlier run wrote of lines up to this one stays; all else that it wrote goes
   * @throws OperatorError where there is another file
   */
  static async at(path: string, after: number): Promise<RejectsFile> {
    const rejects = new RejectsFile(path);
    if (!existsSync(path)) return rejects;
    const kept: string[] = [];
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const reject = parse(line);
      // The last one may have been cut off.
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
    const aside = new RejectsFile(`${path}.part`);
    await aside.#write(kept);
    await aside.close();
    await rename(aside.path, path);
    return rejects;
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    await this.#write(rejects.map((reject) => JSON.stringify(reject)));
  }

  /** Until what was added is on the disk. */
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
