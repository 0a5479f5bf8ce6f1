/** What every command gets: the environment, the streams of its terminal, and its exit code. */
import { once } from 'node:events';

/** A stream to write to, such as `process.stdout`. */
interface Sink extends NodeJS.EventEmitter {
  write(text: string): boolean;
  isTTY?: boolean | undefined;
}

/** The parts of the process that a command may use. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: Sink;
  stderr: Sink;
  stdin?: ({ isTTY?: boolean | undefined } & Partial<AsyncIterable<Uint8Array>>) | undefined;
}

export class Context {
  /** 0 done, 1 failed. A command that fails without throwing sets it. */
  exitCode = 0;
  /** What to do after a failure: printed below the error. */
  advice: string | null = null;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Sink;
  readonly stderr: Sink;

  constructor(private readonly terminal: Terminal) {
    this.env = terminal.env;
    this.stdout = terminal.stdout;
    this.stderr = terminal.stderr;
  }

  /** Not copied like the others: merely looking at `process.stdin` changes the pipe for other readers. */
  get stdin(): Terminal['stdin'] {
    return this.terminal.stdin;
  }

  /** Writes to stdout, and waits while the reader is slower. Rejects when the reader has gone away. */
  async print(text: string): Promise<void> {
    if (!this.stdout.write(text)) await once(this.stdout, 'drain');
  }

  /** Prints a result: with `--json` as one line of JSON, otherwise as text for people. */
  answer(options: { json?: boolean | undefined }, body: object, text: () => string): Promise<void> {
    return this.print(options.json ? `${JSON.stringify(body)}\n` : text());
  }
}
