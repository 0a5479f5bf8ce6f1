import type { Logger } from 'pino';

interface Line {
  log: Logger;
  level: 'info' | 'warn';
  text: string;
  fields: object;
  messages: number;
}

/**
 * The log lines of one batch. All messages with the same text and shared fields get one line, with the ids of the first few.
 * A flood of bad messages must not flood the log; the details of each message travel in its headers.
 */
export class BatchLog {
  readonly #lines = new Map<string, Line>();
  readonly #written = new Set<string>();

  /**
   * Counts a message, for {@link write}.
   *
   * @param log a child logger that names the message
   * @param shared fields that all messages on one line have in common
   * @param first fields of the first message on the line only
   */
  add(log: Logger, level: Line['level'], text: string, shared: object, first: object = {}): void {
    const key = keyOf(text, shared);
    const line = this.#lines.get(key);
    if (line) line.messages += 1;
    else this.#lines.set(key, { log, level, text, fields: { ...shared, ...first }, messages: 1 });
  }

  /** Writes at once, but only for the first message with this text and these fields. */
  once(log: Logger, level: Line['level'], text: string, shared: object): void {
    const key = keyOf(text, shared);
    if (!this.#written.has(key)) log[level](shared, text);
    this.#written.add(key);
  }

  write(): void {
    for (const { log, level, text, fields, messages } of this.#lines.values())
      log[level]({ ...fields, messages }, text);
    this.#lines.clear();
  }
}

const keyOf = (text: string, shared: object): string => JSON.stringify([text, shared]);
