/**
 * The stored contacts of a batch, before and after it: which contact each address, account and token belongs to. The index
 * has no rules (reconcile.ts has them): it keeps its parts consistent and records what changed.
 */

import type { Time } from '../facts/event';

export type ContactState = 'live' | 'merged' | 'closed' | 'erased';

export interface Contact {
  id: string;
  state: ContactState;
  /** The live contact that it ended in, at any depth of merges; set if and only if `state` is merged. */
  mergedInto: string | null;
  version: number;
  /** Committed by an earlier batch, so clients may have seen its id and token. */
  known: boolean;
  /** The live token; null for a contact that was imported without one. */
  token: Token | null;
  /** Whether this batch changed the contact or anything that belongs to it. */
  changed: boolean;
  /** When an imported contact was created in its former system; null for all others. */
  createdAt: Time | null;
}

export interface Token {
  id: string;
  /** The contact that has the token in the database; null if this batch issued the token, so no client can have seen it. */
  storedWith: string | null;
}

export interface StoredToken {
  id: string;
  contactId: string;
}

export interface RetiredToken {
  id: string;
  contactId: string;
  /** The merge that retired it; null if its contact was closed. */
  mergeId: string | null;
}

/** The source of new identifiers; a counter in tests. */
export interface Ids {
  contact(): string;
  token(): string;
  merge(): string;
}

export class ContactIndex {
  readonly contacts = new Map<string, Contact>();
  /** Contacts that gained or lost an address or account, until the caller clears the set. */
  readonly moved = new Set<Contact>();
  readonly retiredTokens: RetiredToken[] = [];
  /** Tokens that were retired and are live again. */
  readonly revivedTokens: StoredToken[] = [];
  readonly #contactOf = { address: new Map<string, string>(), account: new Map<string, string>() };
  /** Nearly all have one address: a set for each would take ten times the memory of a list. */
  readonly #addresses = new Map<string, string[]>();
  readonly #account = new Map<string, string>();
  readonly #contactOfToken = new Map<string, string>();
  readonly #contactOfId = new Map<string, string>();
  readonly #ids: Pick<Ids, 'contact' | 'token'>;

  constructor(ids: Pick<Ids, 'contact' | 'token'>) {
    this.#ids = ids;
  }

  /** Adds a stored contact; its addresses, account and further tokens follow with `link` and `knowToken`. */
  restore(id: string, state: ContactState, mergedInto: string | null, version: number, token: string | null): void {
    const stored = token ? { id: token, storedWith: id } : null;
    const [known, changed, createdAt] = [true, false, null];
    this.contacts.set(id, { id, state, mergedInto, version, known, token: stored, changed, createdAt });
    if (token) this.knowToken(token, id);
  }

  knowToken(token: string, contactId: string): void {
    this.#contactOfToken.set(token, contactId);
  }

  /** Notes which contact the contact with this id was merged into. */
  knowId(id: string, contactId: string): void {
    this.#contactOfId.set(id, contactId);
  }

  /** Links a stored address or account to its contact, which does not count as a change. */
  link(kind: 'address' | 'account', key: string, contactId: string): void {
    this.#contactOf[kind].set(key, contactId);
    if (kind === 'account') {
      this.#account.set(contactId, key);
      return;
    }
    const addresses = this.#addresses.get(contactId);
    if (addresses) addresses.push(key);
    else this.#addresses.set(contactId, [key]);
  }

  /**
   * Opens a live contact with a new token.
   *
   * @param id the contact id that the row of its address or account was inserted with
   * @param imported the token and creation time of an imported contact
   */
  open(
    id: string = this.#ids.contact(),
    imported: { token?: string | undefined; createdAt?: Time | null } = {},
  ): Contact {
    const { token = this.#ids.token(), createdAt = null } = imported;
    const [state, mergedInto, version, known, changed] = ['live' as const, null, 0, false, true];
    const issued = { id: token, storedWith: null };
    const contact: Contact = { id, state, mergedInto, version, known, token: issued, changed, createdAt };
    this.contacts.set(id, contact);
    return contact;
  }

  ofAddress(address: string): Contact | null {
    return this.#get(this.#contactOf.address.get(address));
  }

  ofAccount(uid: string): Contact | null {
    return this.#get(this.#contactOf.account.get(uid));
  }

  /** The live contact that has a live or retired token now, at any depth of merges; null if there is none. */
  ofToken(token: string): Contact | null {
    return this.#liveRoot(this.#contactOfToken.get(token));
  }

  /** The live contact with this id; if it was merged, its survivor, at any depth of merges. */
  ofId(id: string): Contact | null {
    return this.#liveRoot(this.#contactOfId.get(id) ?? id);
  }

  addressesOf(contact: Contact): string[] {
    return [...(this.#addresses.get(contact.id) ?? [])].sort();
  }

  accountOf(contact: Contact): string | null {
    return this.#account.get(contact.id) ?? null;
  }

  /** Moves an address to a contact. */
  place(address: string, contact: Contact): void {
    const old = this.ofAddress(address);
    if (old === contact) return;
    if (old) {
      const others = this.addressesOf(old).filter((other) => other !== address);
      this.#addresses.set(old.id, others);
      this.#mark(old);
    }
    this.link('address', address, contact.id);
    this.#mark(contact);
  }

  /** Gives a contact an account, in place of the deleted account that it had. */
  attach(uid: string, contact: Contact): void {
    const before = this.accountOf(contact);
    if (before !== null) this.#contactOf.account.delete(before);
    this.link('account', uid, contact.id);
    this.#mark(contact);
  }

  detach(uid: string): void {
    const contact = this.ofAccount(uid);
    if (!contact) return;
    this.#account.delete(contact.id);
    this.#contactOf.account.delete(uid);
    this.#mark(contact);
  }

  /**
   * Merges an empty contact, with all contacts that were merged into it before, into another one; closes it if `into`
   * is null.
   */
  retire(contact: Contact, into: Contact | null): void {
    contact.state = into ? 'merged' : 'closed';
    contact.mergedInto = into?.id ?? null;
    contact.changed = true;
    if (!into) return;
    into.changed = true;
    for (const other of this.contacts.values()) {
      if (other.mergedInto !== contact.id) continue;
      other.mergedInto = into.id;
      other.changed = true;
    }
  }

  /** Makes a merged contact live again; contacts that had been merged into it lead to it again. */
  revive(contact: Contact, followers: readonly string[]): void {
    contact.state = 'live';
    contact.mergedInto = null;
    contact.changed = true;
    for (const id of followers) {
      const follower = this.contacts.get(id);
      if (!follower || follower.mergedInto === null) continue;
      follower.mergedInto = contact.id;
      follower.changed = true;
    }
  }

  /** Gives a contact its former token back, or a new one if it had none that clients knew. */
  reviveToken(contact: Contact, token: string | null): void {
    contact.token = { id: token ?? this.#ids.token(), storedWith: token === null ? null : contact.id };
    contact.changed = true;
    if (token !== null) this.revivedTokens.push({ id: token, contactId: contact.id });
  }

  /** Retires a contact's token; a token that was never stored is dropped. */
  retireToken(contact: Contact, mergeId: string | null): void {
    if (contact.token?.storedWith) this.retiredTokens.push({ id: contact.token.id, contactId: contact.id, mergeId });
    contact.token = null;
  }

  #mark(contact: Contact): void {
    contact.changed = true;
    this.moved.add(contact);
  }

  #liveRoot(id: string | undefined): Contact | null {
    const contact = this.#get(id);
    const root = contact?.mergedInto ? this.#get(contact.mergedInto) : contact;
    return root?.state === 'live' ? root : null;
  }

  #get(id: string | undefined): Contact | null {
    return id === undefined ? null : (this.contacts.get(id) ?? null);
  }
}
