import { Facts } from '../../../src/contacts/facts/facts';
import { canonicalExport } from '../../../src/contacts/profile/canonical';
import { decode } from '../../../src/messages/incoming/decode';
import { NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import { addEvent } from '../../add-event';
import type { Message } from '../load/message';

/** The canonical export that the pure domain computes from the messages sent. */
export class Expected {
  readonly #facts = new Facts();

  add(message: Message): void {
    const source = message.exchange === NEWSLETTER_EVENTS ? 'newsletter' : 'fxa';
    const content = Buffer.from(message.content);
    const decoded = decode(source, content, { messageId: message.id, now: Date.now() });
    if (decoded.kind !== 'event')
      throw new Error(`the load has a ${message.kind} that is ${decoded.kind}: ${message.id}`);
    addEvent(this.#facts, decoded.event);
  }

  lines(): string[] {
    return canonicalExport(this.#facts);
  }
}

/** The lines that are only in one of the two, described. */
export function differences(expected: readonly string[], actual: readonly string[]): string[] {
  const [wanted, found] = [new Set(expected), new Set(actual)];
  return [
    ...expected.filter((line) => !found.has(line)).map((line) => `missing: ${line}`),
    ...actual.filter((line) => !wanted.has(line)).map((line) => `not expected: ${line}`),
  ];
}
