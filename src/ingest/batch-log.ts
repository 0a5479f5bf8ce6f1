import type { Logger } from 'pino';

interface Line {
  log: Logger;
  level: 'info' | 'warn';
  text: string;
  fields: object;
  messages: number;
}

/**
 * What the log says of the messages of one batch: one line for all that are alike, with the ids of the first. A flood of
 * rubbish must not be a flood in the log; what there is to know of each message travels in its headers.
 */
export class BatchLog {
  readonly #lines = new Map<string, Line>();
  readonly #said = new Set<string>();

  /**
   * Counts a message, for {@link write}.
   *
   * @param log names the message.
   * @param alike what those of one line have in common.
   * @param first what is told of the first of them only.
   */
  add(log: Logger, level: Line['level'], text: string, alike: object, first: object = {}): void {
    const key = keyOf(text, alike);
    const line = this.#lines.get(key);
    if (line) line.messages += 1;
    else this.#lines.set(key, { log, level, text, fields: { ...alike, ...first }, messages: 1 });
  }

  /** Says it at once, of the first message that is alike, and of no other. */
  once(log: Logger, level: Line['level'], text: string, alike: object): void {
    const key = keyOf(text, alike);
    if (!this.#said.has(key)) log[level](alike, text);
    this.#said.add(key);
  }

  write(): void {
    for (const { log, level, text, fields, messages } of this.#lines.values())
      log[level]({ ...fields, messages }, text);
    this.#lines.clear();
  }
}

const keyOf = (text: string, alike: object): string => JSON.stringify([text, alike]);
