/** What the database must hold: computed by the pure domain from what was sent, without any of the service's machinery. */

import { NEWSLETTER_EVENTS } from '../src/broker/names';
import { canonicalExport } from '../src/contacts/canonical';
import type { ContactEvent } from '../src/contacts/event';
import { Facts } from '../src/contacts/facts';
import { accountFacts, addressFacts, choicesOf, claimOf } from '../src/contacts/record';
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
    this.#learnEvent(decoded.event);
  }

  /** The lines of the canonical export. */
  lines(): string[] {
    return canonicalExport(this.#facts);
  }

  #learnEvent(event: ContactEvent): void {
    const facts = this.#facts;
    if (event.kind === 'deletion') {
      facts.learnAccount({ uid: event.uid, deletedAt: event.at });
    } else if (event.kind === 'claim') {
      facts.learnAddress(addressFacts(event.address, event.at));
      facts.learnAccount(accountFacts(event));
      facts.learnClaim(claimOf(event));
      for (const choice of choicesOf(event)) facts.learnChoice(choice);
    } else if ('address' in event.to) {
      const { address } = event.to;
      facts.learnAddress(addressFacts(address, event.at, event.profile));
      for (const choice of choicesOf(event, { kind: 'address', key: address.key })) facts.learnChoice(choice);
    }
  }
}
