/** Secrets that stand in files, so that an operator can replace them while the process runs. */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { OperatorError } from './operator-error';

/**
 * The text of a secret's file, without the spaces and line breaks around it.
 *
 * @throws OperatorError that says what is wrong, and shows neither the path nor the content
 */
export function readSecret(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new OperatorError(`cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  if (text === '') throw new OperatorError('is empty');
  return text;
}

export interface SecretOptions {
  /** The variable that names the file. */
  variable: string;
  file: string;
  /** What the file said at start. */
  value: string;
  /** What is wrong with another value, if anything. */
  problemOf(value: string): string | undefined;
  log: Logger;
}

/** A URL with a password. If it comes from a file, the file is read again once a server refuses the password. */
export class Secret {
  #value: string;
  #problem: string | undefined;

  private constructor(
    value: string,
    private readonly source?: SecretOptions,
  ) {
    this.#value = value;
  }

  static of(value: string | Secret): Secret {
    return value instanceof Secret ? value : new Secret(value);
  }

  static fromFile(source: SecretOptions): Secret {
    return new Secret(source.value, source);
  }

  get value(): string {
    return this.#value;
  }

  /** Call it when a server refuses the value. While the file cannot be used, the value stays as it is. */
  readAgain(): void {
    if (!this.source) return;
    const { variable, file, problemOf, log } = this.source;
    let problem: string | undefined;
    try {
      const value = readSecret(file);
      problem = problemOf(value);
      if (problem === undefined && value !== this.#value) {
        this.#value = value;
        log.info({ variable }, 'secret read again');
      }
    } catch (error) {
      problem = (error as Error).message;
    }
    if (problem !== undefined && problem !== this.#problem) log.error({ variable, problem }, 'secret cannot be used');
    this.#problem = problem;
  }

  problems(): string[] {
    if (this.#problem !== undefined) this.readAgain();
    return this.#problem === undefined
      ? []
      : [`${this.source?.variable}: ${this.#problem}. The old value is kept: write the file again.`];
  }
}
