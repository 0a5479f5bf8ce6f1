/** What readers must be told of besides merges: another primary address, a live account that is left without any. */

import type { Time, Trigger } from '../facts/event';
import type { Facts } from '../facts/facts';
import type { Contact, ContactIndex } from './contact-index';
import { primaryOf } from './ownership';

/** The event that did it; null where a person decided (an undo). */
export type Cause = { trigger: Trigger; at: Time } | null;

export interface EmailChange {
  contactId: string;
  /** Normalised; null for an account that had none. */
  former: string | null;
  cause: Cause;
}

export interface Review {
  contactId: string;
  uid: string;
  /** The address that was primary before; null for an account that never had one. */
  former: string | null;
  cause: Cause;
}

interface PrimaryState {
  primary: string | null;
  /** A live account without an address, that does not wait for a decision: `collisions list` has that one. */
  isLeft: boolean;
}

/**
 * Looks at each contact before the batch and after each step of it, so that a change is told once for a contact and a
 * batch, with the step that made the last difference.
 */
export class PrimaryAddressTracker {
  readonly #facts: Facts;
  readonly #contactIndex: ContactIndex;
  readonly #before = new Map<string, PrimaryState>();
  readonly #now = new Map<string, PrimaryState & { cause: Cause }>();

  constructor(facts: Facts, contactIndex: ContactIndex) {
    this.#facts = facts;
    this.#contactIndex = contactIndex;
    for (const contact of contactIndex.contacts.values()) {
      if (contact.state === 'live') this.#before.set(contact.id, this.#glance(contact));
    }
  }

  /** After a step that concerned these contacts. */
  track(contacts: Iterable<Contact | null>, cause: Cause): void {
    for (const contact of contacts) {
      if (!contact) continue;
      const last = this.#now.get(contact.id) ?? this.#before.get(contact.id);
      const now = this.#glance(contact);
      if (now.primary !== last?.primary || now.isLeft !== last.isLeft) this.#now.set(contact.id, { ...now, cause });
    }
  }

  /** Contacts that were live before, with another primary address now. */
  emailChanges(): EmailChange[] {
    return this.#changes().flatMap(({ contactId, before, now: { primary, cause } }) =>
      before && primary !== null && primary !== before.primary ? { contactId, former: before.primary, cause } : [],
    );
  }

  /** Live accounts that have no address any more, or came without one. */
  reviews(): Review[] {
    return this.#changes().flatMap(({ contactId, uid, before, now: { isLeft, cause } }) =>
      uid !== null && isLeft && !before?.isLeft ? { contactId, uid, former: before?.primary ?? null, cause } : [],
    );
  }

  /** `before` is undefined for a contact that was not there, or not live. */
  #changes() {
    return [...this.#now].flatMap(([contactId, now]) => {
      const contact = this.#contactIndex.contacts.get(contactId) as Contact;
      if (contact.state !== 'live') return [];
      return { contactId, uid: this.#contactIndex.accountOf(contact), before: this.#before.get(contactId), now };
    });
  }

  #glance(contact: Contact): PrimaryState {
    const uid = this.#contactIndex.accountOf(contact);
    if (uid === null) return { primary: this.#contactIndex.addressesOf(contact)[0] ?? null, isLeft: false };
    const primary = primaryOf(this.#facts, uid);
    return { primary, isLeft: primary === null && this.#facts.deletedAt(uid) === undefined && !this.#waits(uid) };
  }

  #waits(uid: string): boolean {
    return this.#facts.claimsBy(uid).some((claim) => claim.status === 'held');
  }
}
