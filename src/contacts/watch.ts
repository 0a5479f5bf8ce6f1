/** What readers must be told of besides merges: another primary address, a live account that is left without any. */
import type { Contact, Directory } from './directory';
import type { Time, Trigger } from './event';
import type { Facts } from './facts';
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

/**
 * Looks at the primary address of each contact before the batch and after each step of it, so that a change is told
 * once for a contact and a batch, with the step that made the last difference.
 */
export class PrimaryWatch {
  readonly #facts: Facts;
  readonly #directory: Directory;
  readonly #before = new Map<string, string | null>();
  readonly #now = new Map<string, { primary: string | null; cause: Cause }>();

  constructor(facts: Facts, directory: Directory) {
    this.#facts = facts;
    this.#directory = directory;
    for (const contact of directory.contacts.values()) {
      if (contact.state === 'live') this.#before.set(contact.id, this.#primaryOf(contact));
    }
  }

  /** After a step that concerned these contacts. */
  look(contacts: Iterable<Contact | null>, cause: Cause): void {
    for (const contact of contacts) {
      if (!contact) continue;
      const last = this.#now.has(contact.id) ? this.#now.get(contact.id)?.primary : this.#before.get(contact.id);
      const primary = this.#primaryOf(contact);
      if (primary !== last) this.#now.set(contact.id, { primary, cause });
    }
  }

  /** Contacts that were live before, with another primary address now. */
  emailChanges(): EmailChange[] {
    return this.#changes().flatMap(({ contact: { id }, former, primary, cause }) =>
      former !== undefined && primary !== null && primary !== former ? { contactId: id, former, cause } : [],
    );
  }

  /** Live accounts that have no address any more, or came without one. One that waits for a decision is listed with it. */
  reviews(): Review[] {
    return this.#changes().flatMap(({ contact, former, primary, cause }) => {
      const uid = this.#directory.accountOf(contact);
      if (primary !== null || former === null) return [];
      if (uid === null || this.#facts.deletedAt(uid) !== undefined || this.#waits(uid)) return [];
      return { contactId: contact.id, uid, former: former ?? null, cause };
    });
  }

  /** `former` is undefined for a contact that was not there, or not live, before. */
  #changes() {
    return [...this.#now].flatMap(([id, { primary, cause }]) => {
      const contact = this.#directory.contacts.get(id) as Contact;
      return contact.state === 'live' ? { contact, primary, cause, former: this.#before.get(id) } : [];
    });
  }

  #waits(uid: string): boolean {
    return this.#facts.claimsBy(uid).some((claim) => claim.standing === 'held');
  }

  #primaryOf(contact: Contact): string | null {
    const uid = this.#directory.accountOf(contact);
    if (uid === null) return this.#directory.addressesOf(contact)[0] ?? null;
    return primaryOf(this.#facts, uid);
  }
}
