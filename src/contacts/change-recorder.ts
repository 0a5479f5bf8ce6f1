/** What a batch changes: noted while it is decided, told once at the end. */

import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  choiceKey,
  type Facts,
  mergeChoices,
  type Origin,
  originKey,
} from './facts/facts';
import type { Contact, ContactIndex, RetiredToken, StoredToken } from './identity/contact-index';
import type { EmailChange, Review } from './identity/primary-address-tracker';
import type { UnblockCommand } from './merge/command';
import type { MergePlan } from './merge/merge';
import type { Undone, UndoRefusal } from './merge/undo';

/** What the store loaded, under locks, for all that the events may touch. `decide` consumes it. */
export interface WorkingSet {
  facts: Facts;
  contactIndex: ContactIndex;
  /** The contact on the stored row of each address and account; for rows inserted for this batch, their candidate. */
  rows: { address: Map<string, string>; account: Map<string, string | null> };
  /** Of those, the ones that were inserted for this batch. */
  fresh: { address: Set<string>; account: Set<string> };
}

export interface ChangeSet {
  /** Addresses and accounts whose row differs now, in facts or in contact. */
  addresses: { facts: AddressFacts; contactId: string }[];
  accounts: { uid: string; contactId: string | null }[];
  claims: Claim[];
  /** Stored claims that count now, or count no more. */
  statusChanges: Claim[];
  /** One for each key; some may be known already. */
  choices: Choice[];
  /** The contact of each origin of these choices: its version goes up if one of them is incoming. */
  contactOfOrigin: Map<string, string | undefined>;
  contacts: { created: Contact[]; changed: Contact[] };
  tokens: {
    issued: StoredToken[];
    retired: RetiredToken[];
    revived: StoredToken[];
    moved: StoredToken[];
  };
  merges: MergePlan[];
  undone: Undone[];
  /** Blocks that were taken away. */
  unblocked: UnblockCommand[];
  emailChanges: EmailChange[];
  reviews: Review[];
  /** Claims that came and do not count, repetitions included, by why. */
  inactiveClaims: { held: number; blocked: number };
  /** Events that came to nothing, by their index: addressed by a token that nobody has, or whose contact was closed. */
  unknownTokens: number[];
  /** Why the merge cannot be undone. Then nothing may be saved. */
  refusal: UndoRefusal | null;
}

/** Learns what is new, and remembers that it was. */
export class ChangeRecorder {
  readonly claims: Claim[] = [];
  readonly statusChanges: Claim[] = [];
  readonly merges: MergePlan[] = [];
  readonly undone: Undone[] = [];
  readonly unblocked: UnblockCommand[] = [];
  readonly inactiveClaims = { held: 0, blocked: 0 };
  readonly unknownTokens: number[] = [];
  refusal: UndoRefusal | null = null;
  readonly #facts: Facts;
  readonly #contactIndex: ContactIndex;
  readonly #rows: WorkingSet['rows'];
  readonly #changed = { address: new Set<string>(), account: new Set<string>() };
  readonly #choices = new Map<string, Choice>();

  constructor({ facts, contactIndex, rows }: WorkingSet) {
    this.#facts = facts;
    this.#contactIndex = contactIndex;
    this.#rows = rows;
  }

  addAddress(incoming: AddressFacts): void {
    if (!this.#facts.addAddress(incoming)) return;
    this.#changed.address.add(incoming.address);
    this.#mark(this.#contactIndex.ofAddress(incoming.address));
  }

  addAccount(incoming: AccountFacts): boolean {
    if (!this.#facts.addAccount(incoming)) return false;
    this.#changed.account.add(incoming.uid);
    this.#mark(this.#contactIndex.ofAccount(incoming.uid));
    return true;
  }

  /** After it was learned and followed. */
  recordClaim(claim: Claim): void {
    this.claims.push(claim);
    this.#mark(this.#contactIndex.ofAccount(claim.uid));
  }

  recordStatusChanges(claims: readonly Claim[]): void {
    this.statusChanges.push(...claims);
    for (const { uid } of claims) this.#mark(this.#contactIndex.ofAccount(uid));
  }

  /** Choices are not loaded: the store merges them with those that it has. */
  addChoices(made: readonly Choice[]): void {
    for (const choice of made) {
      const key = `${originKey(choice.origin)}\u0000${choiceKey(choice)}`;
      const known = this.#choices.get(key);
      this.#choices.set(key, known ? mergeChoices(known, choice) : choice);
    }
  }

  changes(told: Pick<ChangeSet, 'emailChanges' | 'reviews'>): ChangeSet {
    const { claims, statusChanges, undone, unblocked, inactiveClaims, unknownTokens, refusal } = this;
    const [facts, contactIndex, rows] = [this.#facts, this.#contactIndex, this.#rows];
    const choices = [...this.#choices.values()];
    const merges = this.merges.map((merge) => ({ ...merge, announced: merge.announced && this.#tells(merge) }));
    return {
      addresses: [...rows.address.keys()].filter(this.#differs('address')).map((address) => ({
        facts: facts.addresses.get(address) as AddressFacts,
        contactId: (contactIndex.ofAddress(address) as Contact).id,
      })),
      accounts: [...rows.account.keys()]
        .filter(this.#differs('account'))
        .map((uid) => ({ uid, contactId: contactIndex.ofAccount(uid)?.id ?? null })),
      claims,
      statusChanges,
      choices,
      contactOfOrigin: new Map(choices.map(({ origin }) => [originKey(origin), this.#contactOf(origin)?.id])),
      contacts: this.#contacts(),
      tokens: this.#tokens(),
      merges,
      undone,
      unblocked,
      ...told,
      inactiveClaims,
      unknownTokens,
      refusal,
    };
  }

  /** A survivor that was closed later in the batch leaves nobody to tell. */
  #tells({ survivorId }: MergePlan): boolean {
    const { contacts } = this.#contactIndex;
    const survivor = contacts.get(survivorId) as Contact;
    return (survivor.mergedInto ? contacts.get(survivor.mergedInto) : survivor)?.state === 'live';
  }

  #contactOf({ kind, key }: Origin): Contact | null {
    return kind === 'address' ? this.#contactIndex.ofAddress(key) : this.#contactIndex.ofAccount(key);
  }

  /** Whether the stored row is another one now, in facts or in contact. */
  #differs(kind: Origin['kind']) {
    return (key: string): boolean =>
      this.#changed[kind].has(key) || (this.#contactOf({ kind, key })?.id ?? null) !== this.#rows[kind].get(key);
  }

  #contacts(): ChangeSet['contacts'] {
    const contacts = [...this.#contactIndex.contacts.values()];
    const named = new Set(this.merges.flatMap((merge) => [merge.survivorId, merge.retiredId]));
    return {
      created: contacts.filter((contact) => !contact.known && (contact.state === 'live' || named.has(contact.id))),
      changed: contacts.filter((contact) => contact.known && contact.changed),
    };
  }

  #tokens(): ChangeSet['tokens'] {
    const { contacts, retiredTokens: retired, revivedTokens: revived } = this.#contactIndex;
    const back = new Set(revived.map(({ id }) => id));
    const live = [...contacts.values()].flatMap(({ id: contactId, state, token }) =>
      state === 'live' && token !== null && !back.has(token.id) ? { ...token, contactId } : [],
    );
    return {
      issued: live.filter((token) => token.storedWith === null),
      moved: live.filter((token) => token.storedWith !== null && token.storedWith !== token.contactId),
      retired,
      revived,
    };
  }

  #mark(contact: Contact | null): void {
    if (contact) contact.changed = true;
  }
}
