/** Secrets in files, which an operator can replace while the process runs. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { Logger } from 'pino';
import { OperatorError } from './operator-error';

/**
 * The text of a secret's file. Editors end it with a line break that is not part of the secret.
 *
 * @throws OperatorError that says what is wrong, and shows neither the path nor the content
 */
export function readSecret(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  if (text.trim() === '') throw new OperatorError('is empty');
  return text;
}

export interface SecretFile<T> {
  /** The variable that names the file. */
  variable: string;
  file: string;
  /** @throws OperatorError that says what is wrong, without any part of the text */
  parse(text: string): T;
  log: Logger;
}

const WATCH_MS = 1_000;

/** A value that is constant, or comes from a file that can be read again. */
export class Secret<T = string> {
  #value: T;
  #text: string | undefined;
  #problem: string | undefined;

  private constructor(
    value: T,
    private readonly source?: SecretFile<T>,
  ) {
    this.#value = value;
  }

  static of<T>(value: T | Secret<T>): Secret<T> {
    return value instanceof Secret ? value : new Secret(value);
  }

  /** @throws OperatorError if the file cannot be used */
  static fromFile<T>(source: SecretFile<T>): Secret<T> {
    try {
      const text = readSecret(source.file);
      const secret = new Secret(source.parse(text), source);
      secret.#text = text;
      return secret;
    } catch (error) {
      throw new OperatorError(`${source.variable}: ${(error as Error).message}`, { cause: error });
    }
  }

  get value(): T {
    return this.#value;
  }

  /** Call it when a server refuses the value. While the file cannot be used, the value stays as it is. */
  readAgain(): void {
    if (!this.source) return;
    const { variable, file, parse, log } = this.source;
    try {
      const text = readSecret(file);
      const value = parse(text);
      if (text !== this.#text) log.info({ variable }, 'secret read again');
      this.#text = text;
      this.#value = value;
      this.#problem = undefined;
    } catch (error) {
      const problem = (error as Error).message;
      if (problem !== this.#problem) log.error({ variable, problem }, 'new secret rejected: the old one is kept');
      this.#problem = problem;
    }
  }

  /** Reads the file again whenever it changes, until the returned function is called. */
  watch(): () => void {
    const { source } = this;
    if (!source) return () => undefined;
    const onChange = (): void => this.readAgain();
    watchFile(source.file, { interval: WATCH_MS, persistent: false }, onChange);
    return () => unwatchFile(source.file, onChange);
  }

  problems(): string[] {
    if (this.#problem !== undefined) this.readAgain();
    if (this.#problem === undefined) return [];
    return [`${this.source?.variable}: ${this.#problem}. The old secret is kept: write the file again.`];
  }
}
