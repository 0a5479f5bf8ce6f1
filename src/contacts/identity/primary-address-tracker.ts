/** The changes that are announced besides merges: a new primary address, or a live account left without an address. */

import type { Time, Trigger } from '../facts/event';
import type { Facts } from '../facts/facts';
import type { Contact, ContactIndex } from './contact-index';
import { isLive, primaryOf } from './ownership';

/** The event that made the change; null for an operator's decision (an undo). */
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
  /** The primary address before; null for an account that never had one. */
  former: string | null;
  cause: Cause;
}

interface PrimaryState {
  primary: string | null;
  /** A live account without an address and without a held claim (`collisions list` has those). */
  needsReview: boolean;
}

/**
 * Compares the state of a contact before the batch with its state after the last step. A change is announced once per
 * batch, with the last step that caused it. Only contacts that a step can change are compared.
 */
export class PrimaryAddressTracker {
  readonly #facts: Facts;
  readonly #contactIndex: ContactIndex;
  /** Undefined for a contact that did not exist or was not live when a step first concerned it. */
  readonly #before = new Map<string, PrimaryState | undefined>();
  readonly #now = new Map<string, PrimaryState & { cause: Cause }>();

  constructor(facts: Facts, contactIndex: ContactIndex) {
    this.#facts = facts;
    this.#contactIndex = contactIndex;
  }

  /** Call before each step, with the contacts that it may change; a contact that the step opens is none of them. */
  expect(contacts: Iterable<Contact | null>): void {
    for (const contact of contacts) {
      if (!contact || this.#before.has(contact.id)) continue;
      const isNew = !contact.known || contact.state !== 'live';
      this.#before.set(contact.id, isNew ? undefined : this.#stateOf(contact));
    }
  }

  /** Call after each step, with the contacts that it may have changed. */
  track(contacts: Iterable<Contact | null>, cause: Cause): void {
    for (const contact of contacts) {
      if (!contact) continue;
      const last = this.#now.get(contact.id) ?? this.#before.get(contact.id);
      const now = this.#stateOf(contact);
      if (now.primary !== last?.primary || now.needsReview !== last.needsReview) {
        this.#now.set(contact.id, { ...now, cause });
      }
    }
  }

  /** Contacts that were live before the batch and have another primary address now. */
  emailChanges(): EmailChange[] {
    return this.#changes().flatMap(({ contactId, before, now: { primary, cause } }) =>
      before && primary !== null && primary !== before.primary ? { contactId, former: before.primary, cause } : [],
    );
  }

  /** Live accounts that lost their last address, or are new and have none. */
  reviews(): Review[] {
    return this.#changes().flatMap(({ contactId, uid, before, now: { needsReview, cause } }) =>
      uid !== null && needsReview && !before?.needsReview
        ? { contactId, uid, former: before?.primary ?? null, cause }
        : [],
    );
  }

  /** `before` is undefined for a contact that did not exist or was not live. */
  #changes() {
    return [...this.#now].flatMap(([contactId, now]) => {
      const contact = this.#contactIndex.contacts.get(contactId) as Contact;
      if (contact.state !== 'live') return [];
      return { contactId, uid: this.#contactIndex.accountOf(contact), before: this.#before.get(contactId), now };
    });
  }

  #stateOf(contact: Contact): PrimaryState {
    const uid = this.#contactIndex.accountOf(contact);
    if (uid === null) return { primary: this.#contactIndex.addressesOf(contact)[0] ?? null, needsReview: false };
    const primary = primaryOf(this.#facts, uid);
    const hasHeldClaim = (): boolean => this.#facts.claimsBy(uid).some((claim) => claim.status === 'held');
    return { primary, needsReview: primary === null && isLive(this.#facts, uid) && !hasHeldClaim() };
  }
}
