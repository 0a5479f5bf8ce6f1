/** What every command gets: the environment, where to write, and its exit code. */
import { once } from 'node:events';

/** A stream to write to, such as `process.stdout`. */
export interface Sink {
  write(text: string): boolean;
  isTTY?: boolean | undefined;
  once(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** The parts of the process that a command may use. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: Sink & NodeJS.EventEmitter;
  stderr: Sink & NodeJS.EventEmitter;
  stdin?: ({ isTTY?: boolean | undefined } & Partial<AsyncIterable<Uint8Array>>) | undefined;
}

export class Context {
  /** 0 done, 1 failed. A command that fails without throwing sets it. */
  exitCode = 0;

  constructor(private readonly terminal: Terminal) {}

  get env(): NodeJS.ProcessEnv {
    return this.terminal.env;
  }

  get stdin(): Terminal['stdin'] {
    return this.terminal.stdin;
  }

  get stdout(): Terminal['stdout'] {
    return this.terminal.stdout;
  }

  get stderr(): Terminal['stderr'] {
    return this.terminal.stderr;
  }

  /** Writes to stdout, and waits while the reader is slower. Rejects when the reader has gone away. */
  async print(text: string): Promise<void> {
    if (!this.stdout.write(text)) await once(this.stdout, 'drain');
  }

  /** The result of a command: with `--json` one JSON object on a line, otherwise text for people. */
  answer(options: { json?: boolean | undefined }, body: object, text: () => string): Promise<void> {
    return this.print(options.json ? `${JSON.stringify(body)}\n` : text());
  }
}
