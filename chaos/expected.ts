/** What the database must hold: computed by the pure domain from what was sent, without any of the service's machinery. */
import { learnEvent } from '../dev/learn-event';
import { NEWSLETTER_EVENTS } from '../src/broker/names';
import { canonicalExport } from '../src/contacts/canonical';
import { Facts } from '../src/contacts/facts';
import { decode } from '../src/events/decode';
import type { Message } from './message';

export class Expected {
  readonly #facts = new Facts();

  learn(message: Message): void {
    const source = message.exchange === NEWSLETTER_EVENTS ? 'newsletter' : 'fxa';
    const content = Buffer.from(message.content);
    const decoded = decode(source, content, { messageId: message.id, now: Date.now() });
    if (decoded.kind !== 'event')
      throw new Error(`the load has a ${message.kind} that is ${decoded.kind}: ${message.id}`);
    learnEvent(this.#facts, decoded.event);
  }

  /** The lines of the canonical export. */
  lines(): string[] {
    return canonicalExport(this.#facts);
  }
}
