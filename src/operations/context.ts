/** What every command gets: the environment, the streams of its terminal, and its exit code. */
import { once } from 'node:events';
import { harmless } from './render';

/** A stream to write to, such as `process.stdout`. */
interface Sink extends NodeJS.EventEmitter {
  write(text: string): boolean;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

/** Used if the width of the terminal is not known. */
const COLUMNS = 80;

/** The parts of the process that a command may use. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: Sink;
  stderr: Sink;
  stdin?: ({ isTTY?: boolean | undefined } & Partial<AsyncIterable<Uint8Array>>) | undefined;
}

/**
 * Characters that JSON does not escape although they control a terminal: C1 controls, and marks that reorder or break
 * lines.
 */
const STEERING = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

export class Context {
  /** 0 done, 1 failed. A command that fails without throwing sets it. */
  exitCode = 0;
  /** What to do after a failure; printed below the error. */
  advice: string | null = null;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Sink;
  readonly stderr: Sink;

  constructor(private readonly terminal: Terminal) {
    this.env = terminal.env;
    this.stdout = terminal.stdout;
    this.stderr = terminal.stderr;
  }

  /** How wide tables may be. */
  get columns(): number {
    return this.stdout.columns ?? COLUMNS;
  }

  /** Read late, unlike the others, because merely accessing `process.stdin` changes the pipe for other readers. */
  get stdin(): Terminal['stdin'] {
    return this.terminal.stdin;
  }

  /** Prints text for people. On a terminal, control characters become visible. */
  print(text: string): Promise<void> {
    return this.#write(this.stdout.isTTY ? text.split('\n').map(harmless).join('\n') : text);
  }

  /** Prints each JSON text as a line. On a terminal, control characters are escaped; the JSON stays equivalent. */
  printJson(...texts: readonly string[]): Promise<void> {
    const lines = texts.map((text) => `${text}\n`).join('');
    return this.#write(this.stdout.isTTY ? lines.replace(STEERING, escaped) : lines);
  }

  /** Prints a result: with `--json` as one line of JSON, otherwise as text for people. */
  answer(options: { json?: boolean | undefined }, body: object, text: () => string): Promise<void> {
    return options.json ? this.printJson(JSON.stringify(body)) : this.print(text());
  }

  /** Waits if the reader is slower. Rejects if the reader has gone away. */
  async #write(text: string): Promise<void> {
    if (!this.stdout.write(text)) await once(this.stdout, 'drain');
  }
}
