import type { DetailField, JsonObject } from './decoded';
import { isBlank, isNumber } from './fields';

/**
 * Reads the details of one message. A detail that cannot be used is left out and noted, so that no message is lost
 * because of it, above all no refusal.
 */
export class Details {
  readonly dropped: DetailField[] = [];

  constructor(private readonly message: JsonObject) {}

  /**
   * The text of a field, trimmed, then read by `read`. Undefined if the field is absent, null or blank (which are ordinary
   * ways to say nothing), or if it cannot be used.
   */
  text<T>(field: DetailField, read: (text: string) => T | undefined): T | undefined {
    const sent = this.message[field];
    if (isBlank(sent)) return undefined;
    return typeof sent === 'string' ? (read(sent.trim()) ?? this.drop(field)) : this.drop(field);
  }

  /** The number of a field, read by `read`. Undefined in the same cases as for `text`. */
  number<T>(field: DetailField, read: (value: number) => T | undefined): T | undefined {
    const sent = this.message[field];
    if (isBlank(sent)) return undefined;
    return isNumber(sent) ? (read(sent) ?? this.drop(field)) : this.drop(field);
  }

  /** Whether a field is the boolean `true`. */
  flag(field: DetailField): boolean {
    const sent = this.message[field];
    if (sent !== undefined && sent !== null && typeof sent !== 'boolean') this.drop(field);
    return sent === true;
  }

  drop(field: DetailField): undefined {
    this.dropped.push(field);
  }
}
