/** What a batch changes: noted while it is decided, told once at the end. */
import type { UnblockCommand } from './command';
import type { Contact, Directory, RetiredToken, StoredToken } from './directory';
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
} from './facts';
import type { MergePlan } from './merge';
import type { Undone, UndoRefusal } from './undo';
import type { EmailChange, Review } from './watch';

/** What the store loaded, under locks, for all that the events may touch. `decide` consumes it. */
export interface State {
  facts: Facts;
  directory: Directory;
  /** The contact on the stored row of each address and account; for rows inserted for this batch, their candidate. */
  rows: { address: Map<string, string>; account: Map<string, string | null> };
  /** Of those, the ones that were inserted for this batch. */
  fresh: { address: Set<string>; account: Set<string> };
}

export interface Changes {
  /** Addresses and accounts whose row differs now, in facts or in contact. */
  addresses: { facts: AddressFacts; contactId: string }[];
  accounts: { uid: string; contactId: string | null }[];
  claims: Claim[];
  /** Stored claims that count now, or count no more. */
  standings: Claim[];
  /** One for each key; some may be known already. */
  choices: Choice[];
  /** The contact of each origin of these choices: its version goes up if one of them is news. */
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
  uncounted: { held: number; blocked: number };
  /** Events that came to nothing, by their index: addressed by a token that nobody has, or whose contact was closed. */
  unknownTokens: number[];
  /** Why the merge cannot be undone. Then nothing may be saved. */
  refusal: UndoRefusal | null;
}

/** Learns what is new, and remembers that it was. */
export class Draft {
  readonly claims: Claim[] = [];
  readonly standings: Claim[] = [];
  readonly merges: MergePlan[] = [];
  readonly undone: Undone[] = [];
  readonly unblocked: UnblockCommand[] = [];
  readonly uncounted = { held: 0, blocked: 0 };
  readonly unknownTokens: number[] = [];
  refusal: UndoRefusal | null = null;
  readonly #facts: Facts;
  readonly #directory: Directory;
  readonly #rows: State['rows'];
  readonly #changed = { address: new Set<string>(), account: new Set<string>() };
  readonly #choices = new Map<string, Choice>();

  constructor({ facts, directory, rows }: State) {
    this.#facts = facts;
    this.#directory = directory;
    this.#rows = rows;
  }

  learnAddress(news: AddressFacts): void {
    if (!this.#facts.learnAddress(news)) return;
    this.#changed.address.add(news.address);
    this.#mark(this.#directory.ofAddress(news.address));
  }

  learnAccount(news: AccountFacts): boolean {
    if (!this.#facts.learnAccount(news)) return false;
    this.#changed.account.add(news.uid);
    this.#mark(this.#directory.ofAccount(news.uid));
    return true;
  }

  /** After it was learned and followed. */
  noteClaim(claim: Claim): void {
    this.claims.push(claim);
    this.#mark(this.#directory.ofAccount(claim.uid));
  }

  noteStandings(claims: readonly Claim[]): void {
    this.standings.push(...claims);
    for (const { uid } of claims) this.#mark(this.#directory.ofAccount(uid));
  }

  /** Choices are not loaded: the store merges them with those that it has. */
  learnChoices(made: readonly Choice[]): void {
    for (const choice of made) {
      const key = `${originKey(choice.origin)}\u0000${choiceKey(choice)}`;
      const known = this.#choices.get(key);
      this.#choices.set(key, known ? mergeChoices(known, choice) : choice);
    }
  }

  changes(told: Pick<Changes, 'emailChanges' | 'reviews'>): Changes {
    const { claims, standings, undone, unblocked, uncounted, unknownTokens, refusal } = this;
    const [facts, directory, rows] = [this.#facts, this.#directory, this.#rows];
    const choices = [...this.#choices.values()];
    const merges = this.merges.map((merge) => ({ ...merge, announced: merge.announced && this.#tells(merge) }));
    return {
      addresses: [...rows.address.keys()].filter(this.#differs('address')).map((address) => ({
        facts: facts.addresses.get(address) as AddressFacts,
        contactId: (directory.ofAddress(address) as Contact).id,
      })),
      accounts: [...rows.account.keys()]
        .filter(this.#differs('account'))
        .map((uid) => ({ uid, contactId: directory.ofAccount(uid)?.id ?? null })),
      claims,
      standings,
      choices,
      contactOfOrigin: new Map(choices.map(({ origin }) => [originKey(origin), this.#contactOf(origin)?.id])),
      contacts: this.#contacts(),
      tokens: this.#tokens(),
      merges,
      undone,
      unblocked,
      ...told,
      uncounted,
      unknownTokens,
      refusal,
    };
  }

  /** A survivor that was closed later in the batch leaves nobody to tell. */
  #tells({ survivorId }: MergePlan): boolean {
    const { contacts } = this.#directory;
    const survivor = contacts.get(survivorId) as Contact;
    return (survivor.mergedInto ? contacts.get(survivor.mergedInto) : survivor)?.state === 'live';
  }

  #contactOf({ kind, key }: Origin): Contact | null {
    return kind === 'address' ? this.#directory.ofAddress(key) : this.#directory.ofAccount(key);
  }

  /** Whether the stored row is another one now, in facts or in contact. */
  #differs(kind: Origin['kind']) {
    return (key: string): boolean =>
      this.#changed[kind].has(key) || (this.#contactOf({ kind, key })?.id ?? null) !== this.#rows[kind].get(key);
  }

  #contacts(): Changes['contacts'] {
    const contacts = [...this.#directory.contacts.values()];
    const named = new Set(this.merges.flatMap((merge) => [merge.survivorId, merge.retiredId]));
    return {
      created: contacts.filter((contact) => !contact.known && (contact.state === 'live' || named.has(contact.id))),
      changed: contacts.filter((contact) => contact.known && contact.changed),
    };
  }

  #tokens(): Changes['tokens'] {
    const { contacts, retiredTokens: retired, revivedTokens: revived } = this.#directory;
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
