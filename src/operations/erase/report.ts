/**
 * The result of each line of a list, for the operator and for a run that continues. It contains keyed hashes instead of
 * names, so it may be kept when the list is deleted.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { parseJson } from '../../foundation/json';
import { OperatorError } from '../../foundation/operator-error';

const Entry = z.object({
  line: z.int().positive(),
  /** The keyed hash of the line's text. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** `unknown`: no contact had the address, which is remembered as erased. With the last two, nothing was done. */
  result: z.enum(['erased', 'unknown', 'invalid', 'failed']),
  problem: z.string().optional(),
  /** Events up to this time are dropped. */
  until: z.iso.datetime().optional(),
  deleted: z.record(z.string(), z.int()).optional(),
});
export type ReportEntry = z.infer<typeof Entry>;

export const isDone = ({ result }: ReportEntry): boolean => result === 'erased' || result === 'unknown';

export class EraseReport {
  /** The entries by line; for a line that was tried again, the last one. */
  readonly entries = new Map<number, ReportEntry>();
  #file: FileHandle | null = null;

  private constructor(
    readonly path: string,
    /** The length of all complete lines: a crash may have cut off the last line. */
    private readonly bytes: number,
  ) {}

  /** @throws OperatorError if the file exists and is something else */
  static async read(path: string): Promise<EraseReport> {
    const text = existsSync(path) ? await readFile(path, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const report = new EraseReport(path, Buffer.byteLength(whole));
    for (const line of whole.split('\n').slice(0, -1)) {
      const { data: entry } = Entry.safeParse(parseJson(line));
      if (!entry) throw new OperatorError(`${path} exists and is not a report: name another file with --report.`);
      report.entries.set(entry.line, entry);
    }
    if (whole === '' && text !== '' && !text.startsWith('{"line":')) {
      throw new OperatorError(`${path} exists and is not a report: name another file with --report.`);
    }
    return report;
  }

  /** Call it before the first {@link add}. If it is not called, as in a dry run, nothing is written. */
  async openForWriting(): Promise<void> {
    try {
      this.#file = await open(this.path, 'a', 0o600);
      await this.#file.truncate(this.bytes);
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw new OperatorError(`The report cannot be written (${code}): name another file with --report.`);
    }
  }

  async add(entry: ReportEntry): Promise<void> {
    this.entries.set(entry.line, entry);
    await this.#file?.appendFile(`${JSON.stringify(entry)}\n`);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
