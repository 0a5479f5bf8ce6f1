/**
 * The contactIndex of stored contacts, as a batch finds and leaves it: which address and which account hang on which
 * contact, and the tokens. It knows no rules (those are in follow.ts): it keeps the parts consistent with each other,
 * and remembers what changed.
 */

import type { Time } from '../facts/event';

export type ContactState = 'live' | 'merged' | 'closed' | 'erased';

export interface Contact {
  id: string;
  state: ContactState;
  /** The live contact that has its addresses now, at any depth; set if and only if `state` is merged. */
  mergedInto: string | null;
  version: number;
  /** Committed by an earlier batch: somebody may have seen its id and its token. */
  known: boolean;
  /** The live token. A contact that came without one (an import) has none. */
  token: Token | null;
  /** Something that belongs to it changed in this batch. */
  changed: boolean;
  /** Of one that is moved in: when it was made elsewhere. Null is now, or known before. */
  createdAt: Time | null;
}

export interface Token {
  id: string;
  /** The contact it is stored with; null when it was made in this batch and nobody can have seen it. */
  storedWith: string | null;
}

export interface StoredToken {
  id: string;
  contactId: string;
}

export interface RetiredToken {
  id: string;
  contactId: string;
  /** The merge that retired it; null when its contact was closed. */
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
  /** Those that something came to or left, until the reader clears it. */
  readonly moved = new Set<Contact>();
  readonly retiredTokens: RetiredToken[] = [];
  /** Retired before, live again. */
  readonly revivedTokens: StoredToken[] = [];
  readonly #contactOf = { address: new Map<string, string>(), account: new Map<string, string>() };
  readonly #addresses = new Map<string, Set<string>>();
  readonly #account = new Map<string, string>();
  readonly #contactOfToken = new Map<string, string>();
  readonly #ids: Pick<Ids, 'contact' | 'token'>;

  constructor(ids: Pick<Ids, 'contact' | 'token'>) {
    this.#ids = ids;
  }

  /** Puts a stored contact in; its addresses, account and tokens follow with `place`, `attach` and `knowToken`. */
  restore(id: string, state: ContactState, mergedInto: string | null, version: number, token: string | null): void {
    const live = token ? { id: token, storedWith: id } : null;
    this.contacts.set(id, {
      id,
      state,
      mergedInto,
      version,
      known: true,
      token: live,
      changed: false,
      createdAt: null,
    });
    if (token) this.knowToken(token, id);
  }

  knowToken(token: string, contactId: string): void {
    this.#contactOfToken.set(token, contactId);
  }

  /** Puts what is stored in its place, without counting it as a change. */
  restorePlace(kind: 'address' | 'account', key: string, contactId: string): void {
    this.#put(kind, key, contactId);
  }

  /**
   * A new live contact with a token of its own. `id` may be given: the one that its first row was inserted with. So may
   * be the token, and when it was made, of one that is moved in.
   */
  open(
    id: string = this.#ids.contact(),
    { token = this.#ids.token(), createdAt = null }: { token?: string | undefined; createdAt?: Time | null } = {},
  ): Contact {
    const contact: Contact = {
      id,
      state: 'live',
      mergedInto: null,
      version: 0,
      known: false,
      token: { id: token, storedWith: null },
      changed: true,
      createdAt,
    };
    this.contacts.set(id, contact);
    return contact;
  }

  ofAddress(address: string): Contact | null {
    return this.#get(this.#contactOf.address.get(address));
  }

  ofAccount(uid: string): Contact | null {
    return this.#get(this.#contactOf.account.get(uid));
  }

  /** The live contact that a token opens or once opened, at any depth; null when there is none. */
  ofToken(token: string): Contact | null {
    const contact = this.#get(this.#contactOfToken.get(token));
    const root = contact?.mergedInto ? this.#get(contact.mergedInto) : contact;
    return root?.state === 'live' ? root : null;
  }

  addressesOf(contact: Contact): string[] {
    return [...(this.#addresses.get(contact.id) ?? [])].sort();
  }

  accountOf(contact: Contact): string | null {
    return this.#account.get(contact.id) ?? null;
  }

  /** Moves an address to a contact, from wherever it was. */
  place(address: string, contact: Contact): void {
    const old = this.ofAddress(address);
    if (old === contact) return;
    if (old) {
      this.#addresses.get(old.id)?.delete(address);
      this.#mark(old);
    }
    this.#put('address', address, contact.id);
    this.#mark(contact);
  }

  /** Makes a contact the account's; an account that was on it before (a deleted one) leaves it. */
  attach(uid: string, contact: Contact): void {
    const before = this.accountOf(contact);
    if (before !== null) this.#contactOf.account.delete(before);
    this.#put('account', uid, contact.id);
    this.#mark(contact);
  }

  detach(uid: string): void {
    const contact = this.ofAccount(uid);
    if (!contact) return;
    this.#account.delete(contact.id);
    this.#contactOf.account.delete(uid);
    this.#mark(contact);
  }

  /** Ends a contact that has nothing left. Whatever was merged into it before is in `into` now: never a chain. */
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

  /** Lets a merged contact live again; those that had been merged into it before lead to it again. */
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

  /** Gives a contact the token that it had before; a new one where it had none that anybody knew. */
  reviveToken(contact: Contact, token: string | null): void {
    contact.token = { id: token ?? this.#ids.token(), storedWith: token === null ? null : contact.id };
    contact.changed = true;
    if (token !== null) this.revivedTokens.push({ id: token, contactId: contact.id });
  }

  /** Takes a contact's token away. One that nobody can have seen leaves no trace. */
  retireToken(contact: Contact, mergeId: string | null): void {
    if (contact.token?.storedWith) this.retiredTokens.push({ id: contact.token.id, contactId: contact.id, mergeId });
    contact.token = null;
  }

  #mark(contact: Contact): void {
    contact.changed = true;
    this.moved.add(contact);
  }

  #get(id: string | undefined): Contact | null {
    return id === undefined ? null : (this.contacts.get(id) ?? null);
  }

  #put(kind: 'address' | 'account', key: string, contactId: string): void {
    this.#contactOf[kind].set(key, contactId);
    if (kind === 'account') this.#account.set(contactId, key);
    else this.#addresses.set(contactId, (this.#addresses.get(contactId) ?? new Set()).add(key));
  }
}
