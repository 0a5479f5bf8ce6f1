/** What the database must hold: computed by the pure domain from what was sent, without any of the service's machinery. */

import { Facts } from '../../src/contacts/facts/facts';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { decode } from '../../src/messages/incoming/decode';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { addEvent } from '../add-event';
import type { Message } from './message';

export class Expected {
  readonly #facts = new Facts();

  learn(message: Message): void {
    const source = message.exchange === NEWSLETTER_EVENTS ? 'newsletter' : 'fxa';
    const content = Buffer.from(message.content);
    const decoded = decode(source, content, { messageId: message.id, now: Date.now() });
    if (decoded.kind !== 'event')
      throw new Error(`the load has a ${message.kind} that is ${decoded.kind}: ${message.id}`);
    addEvent(this.#facts, decoded.event);
  }

  /** The lines of the canonical export. */
  lines(): string[] {
    return canonicalExport(this.#facts);
  }
}
