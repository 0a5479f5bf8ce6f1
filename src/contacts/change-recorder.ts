import type { ClaimEvent, NewsletterEvent } from './facts/event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  choiceKey,
  type Facts,
  mergeChoices,
  type Origin,
  PROFILE_FIELDS,
} from './facts/facts';
import { withSuccessors } from './identity/affected-accounts';
import { type ConnectedComponent, connectedComponent } from './identity/connected-component';
import type { Contact, ContactIndex, RetiredToken, StoredToken } from './identity/contact-index';
import type { EmailChange, Review } from './identity/primary-address-tracker';
import type { UnblockCommand } from './merge/command';
import type { MergePlan } from './merge/merge';
import type { AccountDeletion } from './merge/notification';
import type { Closing, ReconcileContext } from './merge/reconcile';
import type { Undone, UndoRefusal } from './merge/undo';

/** The facts and contacts that a batch may touch, loaded under locks. `decide` changes it in place. */
export interface WorkingSet {
  facts: Facts;
  contactIndex: ContactIndex;
  /** The contact id in the row of each address and account; in rows inserted for this batch, a candidate id. */
  rows: { address: Map<string, string>; account: Map<string, string | null> };
  /** The addresses and accounts whose row was inserted for this batch. */
  fresh: { address: Set<string>; account: Set<string> };
  /** The events whose claim only continues an ownership period: the working set has no claims of their account. */
  continuing: ReadonlySet<ClaimEvent>;
}

/** An unproven subscription, and where it is recorded. */
export interface SignUp {
  event: NewsletterEvent;
  origin: Origin;
}

/** What a batch changes. */
export interface ChangeSet {
  /** Addresses and accounts whose row changes, in facts or contact. */
  addresses: { facts: AddressFacts; contactId: string }[];
  /** Further addresses for which only the spelling or its time changes: a login says nothing else. */
  spellings: AddressFacts[];
  accounts: { uid: string; contactId: string | null }[];
  claims: Claim[];
  /** Claims that continue an ownership period; some may be stored already. */
  continuing: Claim[];
  /** Stored claims with another status. */
  statusChanges: Claim[];
  /** One choice for each key; some may be stored already. */
  choices: Choice[];
  /** The contact of each origin of these choices, by the origin's key: an address has an @, an account has none. */
  contactOfOrigin: Map<string, string | undefined>;
  /** The addresses and accounts whose row was inserted for this batch. */
  fresh: WorkingSet['fresh'];
  contacts: { created: Contact[]; changed: Contact[] };
  /** The former facts of stored addresses and accounts that changed in a way that readers may see. */
  perhapsShown: {
    /** `hasNewValue`: a profile field has a different value, not only the same value with a different time. */
    addresses: Map<string, { before: AddressFacts; hasNewValue: boolean }>;
    accounts: Map<string, AccountFacts>;
  };
  tokens: {
    issued: StoredToken[];
    retired: RetiredToken[];
    revived: StoredToken[];
    moved: StoredToken[];
  };
  merges: MergePlan[];
  /** Stored contacts that ended without a survivor. */
  closings: Closing[];
  /** Unproven subscriptions, if `decide` was asked to note them. Some may be stored already. */
  signUps: SignUp[];
  /** Deletions of accounts whose stored contacts remain. */
  accountDeletions: AccountDeletion[];
  undone: Undone[];
  unblocked: UnblockCommand[];
  emailChanges: EmailChange[];
  reviews: Review[];
  /** How many claims of the batch are not active; a repeated claim counts each time. */
  inactiveClaims: { held: number; blocked: number };
  /** The indexes of events addressed by an unknown token, or by one whose contact was closed. */
  unknownTokens: number[];
  /** The indexes of events that count only if their address is stored, and it is not. */
  notStored: number[];
  /** Why the merge cannot be undone. If it is set, nothing may be saved. */
  refusal: UndoRefusal | null;
}

/** Adds facts to the working set and records what they change. */
export class ChangeRecorder {
  readonly claims: Claim[] = [];
  readonly continuing: Claim[] = [];
  readonly statusChanges: Claim[] = [];
  readonly merges: MergePlan[] = [];
  readonly closings: Closing[] = [];
  readonly signUps: SignUp[] = [];
  readonly accountDeletions: AccountDeletion[] = [];
  readonly undone: Undone[] = [];
  readonly unblocked: UnblockCommand[] = [];
  readonly inactiveClaims = { held: 0, blocked: 0 };
  readonly unknownTokens: number[] = [];
  readonly notStored: number[] = [];
  refusal: UndoRefusal | null = null;
  readonly #state: WorkingSet;
  readonly #changed = { address: new Set<string>(), account: new Set<string>() };
  readonly #respelled = new Set<string>();
  readonly #perhapsShown: ChangeSet['perhapsShown'] = { addresses: new Map(), accounts: new Map() };
  readonly #choices = new Map<string, Choice>();
  /** Accounts whose views may have changed with ownership, and addresses whose connected accounts may all have changed. */
  readonly #affected = new Set<string>();
  readonly #reowned: ConnectedComponent = { addresses: [], uids: [] };

  constructor(state: WorkingSet) {
    this.#state = state;
  }

  /** The working set for reconciling contacts; the recorder gets the merges. */
  reconcileContext(options: Pick<ReconcileContext, 'tokenPolicy' | 'mergeId'>): ReconcileContext {
    const { facts, contactIndex, rows, fresh } = this.#state;
    return {
      facts,
      contactIndex,
      merges: this.merges,
      closings: this.closings,
      candidate: (kind, key) => {
        const id = fresh[kind].has(key) ? rows[kind].get(key) : undefined;
        return id && !contactIndex.contacts.has(id) ? id : undefined;
      },
      ...options,
    };
  }

  addAddress(incoming: AddressFacts): void {
    const { facts, contactIndex, fresh } = this.#state;
    const { address } = incoming;
    const before = facts.addresses.get(address);
    if (!facts.addAddress(incoming)) return;
    const after = facts.addresses.get(address) as AddressFacts;
    (before?.profile === after.profile ? this.#respelled : this.#changed.address).add(address);
    if (!before || fresh.address.has(address)) return;
    if (before.typed.value !== after.typed.value) this.#mark(contactIndex.ofAddress(address));
    if (before.profile === after.profile) return;
    const fields = PROFILE_FIELDS.filter((field) => before.profile[field] !== after.profile[field]);
    if (fields.length === 0) return;
    const hasNewValue = fields.some((field) => before.profile[field]?.value !== after.profile[field]?.value);
    const earlier = this.#perhapsShown.addresses.get(address) ?? { before, hasNewValue };
    this.#perhapsShown.addresses.set(address, { ...earlier, hasNewValue: earlier.hasNewValue || hasNewValue });
  }

  addAccount(incoming: AccountFacts): boolean {
    const { facts, fresh } = this.#state;
    const { uid } = incoming;
    const before = facts.accounts.get(uid) ?? { uid };
    if (!facts.addAccount(incoming)) return false;
    this.#changed.account.add(uid);
    const after = facts.accounts.get(uid) as AccountFacts;
    const mayShow =
      after.createdAt !== before.createdAt ||
      (['locale', 'country', 'service'] as const).some((field) => after[field]?.value !== before[field]?.value);
    const { accounts } = this.#perhapsShown;
    if (mayShow && !fresh.account.has(uid) && !accounts.has(uid)) accounts.set(uid, before);
    return true;
  }

  /**
   * Call after the claim was added and reconciled.
   *
   * @param affected the accounts whose views changed with ownership, or all that claims connect to the address
   */
  recordClaim(claim: Claim, affected: Iterable<string> | 'all' = 'all'): void {
    this.claims.push(claim);
    if (affected !== 'all') this.recordAffected(affected);
    else this.#reowned.addresses.push(claim.address);
  }

  recordAffected(uids: Iterable<string>): void {
    for (const uid of uids) this.#affected.add(uid);
  }

  recordStatusChanges(claims: readonly Claim[]): void {
    this.statusChanges.push(...claims);
    this.#reowned.addresses.push(...claims.map(({ address }) => address));
  }

  /** Choices are not part of the working set: saving merges them with the stored ones. */
  addChoices(made: readonly Choice[]): void {
    for (const choice of made) {
      const key = `${choice.origin.key}\u0000${choiceKey(choice)}`;
      const known = this.#choices.get(key);
      this.#choices.set(key, known ? mergeChoices(known, choice) : choice);
    }
  }

  changes(notable: Pick<ChangeSet, 'emailChanges' | 'reviews'>): ChangeSet {
    const { claims, continuing, statusChanges, undone, unblocked, inactiveClaims, unknownTokens, notStored, refusal } =
      this;
    const { facts, contactIndex, rows, fresh } = this.#state;
    this.#markReowned();
    const choices = [...this.#choices.values()];
    const merges = this.merges.map((merge) => ({
      ...merge,
      announced: merge.announced && this.#hasLiveSurvivor(merge),
    }));
    const addresses = [...rows.address.keys()].filter(this.#differs('address'));
    for (const address of addresses) this.#respelled.delete(address);
    const left = this.merges.filter((merge) => merge.announced && !this.#hasLiveSurvivor(merge));
    return {
      addresses: addresses.map((address) => ({
        facts: facts.addresses.get(address) as AddressFacts,
        contactId: (contactIndex.ofAddress(address) as Contact).id,
      })),
      spellings: [...this.#respelled].map((address) => facts.addresses.get(address) as AddressFacts),
      accounts: [...rows.account.keys()]
        .filter(this.#differs('account'))
        .map((uid) => ({ uid, contactId: contactIndex.ofAccount(uid)?.id ?? null })),
      claims,
      continuing,
      statusChanges,
      choices,
      contactOfOrigin: new Map(choices.map(({ origin }) => [origin.key, this.#contactOf(origin)?.id])),
      fresh,
      contacts: this.#contacts(),
      perhapsShown: this.#perhapsShown,
      tokens: this.#tokens(),
      merges,
      closings: [...this.closings, ...left.map((merge) => this.#closingOf(merge))],
      signUps: this.signUps,
      accountDeletions: this.accountDeletions.filter(
        ({ contactId }) => contactIndex.contacts.get(contactId)?.state === 'live',
      ),
      undone,
      unblocked,
      ...notable,
      inactiveClaims,
      unknownTokens,
      notStored,
      refusal,
    };
  }

  /** A survivor can be closed later in the batch: then there is no contact to announce. */
  #hasLiveSurvivor({ survivorId }: MergePlan): boolean {
    const { contacts } = this.#state.contactIndex;
    const survivor = contacts.get(survivorId) as Contact;
    return (survivor.mergedInto ? contacts.get(survivor.mergedInto) : survivor)?.state === 'live';
  }

  /** The closing of a contact that was merged into another one, which was closed later in the batch. */
  #closingOf({ retiredId, claimant: uid, token, tokenKept, tokenRetired, trigger, at }: MergePlan): Closing {
    const { version } = this.#state.contactIndex.contacts.get(retiredId) as Contact;
    const had = token.keep === 'retired' ? tokenKept : tokenRetired;
    return { contactId: retiredId, version: version + 1, token: had, uid, cause: { trigger, at } };
  }

  #markReowned(): void {
    const { facts, contactIndex } = this.#state;
    const [undone] = facts.undone;
    // Undone merges pass opt-outs on; to which contacts is not worked out here.
    if (undone) this.#reowned.uids.push(...this.#affected);
    const { addresses, uids } = connectedComponent(facts, this.#reowned);
    for (const address of addresses) this.#mark(contactIndex.ofAddress(address));
    for (const uid of withSuccessors(facts, [...uids, ...this.#affected])) this.#mark(contactIndex.ofAccount(uid));
  }

  #contactOf({ kind, key }: Origin): Contact | null {
    return kind === 'address' ? this.#state.contactIndex.ofAddress(key) : this.#state.contactIndex.ofAccount(key);
  }

  #differs(kind: Origin['kind']) {
    return (key: string): boolean =>
      this.#changed[kind].has(key) || (this.#contactOf({ kind, key })?.id ?? null) !== this.#state.rows[kind].get(key);
  }

  #contacts(): ChangeSet['contacts'] {
    const contacts = [...this.#state.contactIndex.contacts.values()];
    const named = new Set(this.merges.flatMap((merge) => [merge.survivorId, merge.retiredId]));
    return {
      created: contacts.filter((contact) => !contact.known && (contact.state === 'live' || named.has(contact.id))),
      changed: contacts.filter((contact) => contact.known && contact.changed),
    };
  }

  #tokens(): ChangeSet['tokens'] {
    const { contacts, retiredTokens: retired, revivedTokens: revived } = this.#state.contactIndex;
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
