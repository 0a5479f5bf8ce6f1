/**
 * Facts, each keyed by its content. Adding a fact twice, or facts in another order, gives the same result: every `add`
 * below is commutative, associative and idempotent. Contacts are derived from them.
 */
import type { Act, Profile, Time } from './event';
import type { Refused } from './refused';

/** A value with its event time. `null` is a value: the reader cleared the field. */
export interface Dated<T extends string | null = string | null> {
  value: T;
  at: Time;
}

export type ProfileField = keyof Profile;

/** The public name of each profile field, in JSON and as the name of its column. */
export const FIELD_NAMES = {
  firstName: 'first_name',
  lastName: 'last_name',
  country: 'country',
  lang: 'lang',
  format: 'format',
} as const satisfies Record<ProfileField, string>;
export type FieldName = (typeof FIELD_NAMES)[ProfileField];

export const PROFILE_FIELDS = Object.keys(FIELD_NAMES) as ProfileField[];

/** The profile of an event that says nothing about the reader. */
export const NO_PROFILE: ProfileFacts = Object.freeze({});

/** The latest value of each field; it belongs to the owner of the address at its time. */
export type ProfileFacts = Readonly<Partial<Record<ProfileField, Dated | undefined>>>;

/** Never changed: what is learned makes another object. */
export interface AddressFacts {
  readonly address: string;
  readonly typed: Dated<string>;
  readonly profile: ProfileFacts;
}

/** Never changed: what is learned makes another object. */
export interface AccountFacts {
  readonly uid: string;
  /** The earliest time that any event said. */
  readonly createdAt?: Time | undefined;
  /** The earliest `delete`: a uid never returns. */
  readonly deletedAt?: Time | undefined;
  readonly locale?: Dated<string> | undefined;
  readonly country?: Dated<string> | undefined;
  /** The first service that the account was used for. */
  readonly service?: Dated<string> | undefined;
}

export interface Claim {
  address: string;
  uid: string;
  at: Time;
  /** `held` awaits a decision (observe mode), `blocked` was undone; only `active` claims decide ownership. */
  status: 'active' | 'held' | 'blocked';
  event: string;
  eventId: string;
}

/** Left by an undo: the account's claims on the address after `since` are blocked until the operator unblocks them. */
export interface Block {
  uid: string;
  address: string;
  /** When the period that the account had inherited began; minus infinity if the address was lone. */
  since: Time;
}

/** A merge that was undone. One token opened both sides while it stood, so an opt-out in that time counts for both. */
export interface UndoneMerge {
  mergeId: string;
  /** The survivor's account. */
  uid: string;
  /** The retired contact's account; null if its address was lone. */
  claimant: string | null;
  /** The addresses of the retired side. */
  addresses: readonly string[];
  /** The merge stood from the trigger's event time until the undo. */
  from: Time;
  until: Time;
}

export interface Origin {
  kind: 'address' | 'account';
  key: string;
}

export interface Choice {
  origin: Origin;
  /** Empty for acts about all email: `confirm` and `opt_out`. A `set` and a `reason` have a key of their own here. */
  newsletter: string;
  at: Time;
  act: Act;
  proven: boolean;
  source: string | null;
  lang: string | null;
  format: string | null;
  reason: string | null;
  /**
   * Further fields that a waitlist asked for, as canonical JSON: ASCII, without spaces, keys sorted. Replaced as a
   * whole.
   */
  fields: string | null;
  /** Only a `set` has it. */
  refused?: Refused | undefined;
}

/** The details of a choice that has none. */
export const NO_DETAILS = { source: null, lang: null, format: null, reason: null, fields: null } as const;

/** The later value; at equal times a value before a null, and the greater value. The first of two equal ones. */
export function latest<T extends string | null>(
  a: Dated<T> | undefined,
  b: Dated<T> | undefined,
): Dated<T> | undefined {
  if (!a || !b) return a ?? b;
  if (a.at !== b.at) return a.at > b.at ? a : b;
  if (a.value === null || b.value === null) return b.value === null ? a : b;
  return a.value >= b.value ? a : b;
}

/** The earlier value; at equal times the lesser. The first of two equal ones. */
export function earliest<T extends string>(a: Dated<T> | undefined, b: Dated<T> | undefined): Dated<T> | undefined {
  if (!a || !b) return a ?? b;
  if (a.at !== b.at) return a.at < b.at ? a : b;
  return a.value <= b.value ? a : b;
}

/** Whether any field has a value: a profile has all fields, each of which may be undefined. */
export const hasProfile = ({ profile }: AddressFacts): boolean =>
  PROFILE_FIELDS.some((field) => profile[field] !== undefined);

/** A `set` is a refusal, even if it also subscribes. */
export const isRefusalAct = (act: Act): boolean => act === 'unsubscribe' || act === 'opt_out' || act === 'set';
/** Whether a choice counts for the successors of its account: a refusal, and the reason for one. */
export const followsPerson = ({ act }: Pick<Choice, 'act'>): boolean => isRefusalAct(act) || act === 'reason';
export const isRefusal = ({ act }: Pick<Choice, 'act'>): boolean => isRefusalAct(act);

/** Merges two choices under one key: the refusal wins; the same act twice is proven if either is. */
export function mergeChoices(a: Choice, b: Choice): Choice {
  if (a.act !== b.act) return isRefusal(a) ? a : b;
  const proven = a.proven || b.proven;
  const kept = Buffer.compare(detail(a), detail(b)) >= 0 ? a : b;
  return kept.proven === proven ? kept : { ...kept, proven };
}

/**
 * Orders the details of choices by their bytes, null first. `insertChoices` does the same, so the same details are kept
 * everywhere.
 */
const detail = (choice: Choice): Buffer =>
  Buffer.from(
    [choice.fields, choice.source, choice.lang, choice.format, choice.reason]
      .map((text) => (text === null ? '' : `\u0001${text}`))
      .join('\u0000'),
  );

export const choiceKey = (choice: Pick<Choice, 'newsletter' | 'at'>): string =>
  `${choice.newsletter}\u0000${choice.at}`;
export const originKey = (origin: Origin): string => `${origin.kind}\u0000${origin.key}`;

const claimKey = ({ address, uid, at }: Pick<Claim, 'address' | 'uid' | 'at'>): string =>
  `${address}\u0000${uid}\u0000${at}`;
const blockKey = (uid: string, address: string): string => `${uid}\u0000${address}`;

/**
 * Facts in memory: those that a batch touches, or those of the whole database. Each `add` returns whether anything
 * changed.
 */
export class Facts {
  readonly addresses = new Map<string, AddressFacts>();
  readonly accounts = new Map<string, AccountFacts>();
  readonly #claimsOn = new Map<string, { claims: Claim[]; revision: number }>();
  readonly #claimsBy = new Map<string, { claims: Claim[]; addresses: Set<string> }>();
  readonly #claims = new Map<string, Claim>();
  readonly #blocks = new Map<string, Block>();
  readonly #undone = new Map<string, UndoneMerge>();
  readonly #choices = new Map<string, Map<string, Choice>>();

  get sizes(): { addresses: number; accounts: number; claims: number } {
    return { addresses: this.addresses.size, accounts: this.accounts.size, claims: this.#claims.size };
  }

  claimsOn(address: string): readonly Claim[] {
    return this.#claimsOn.get(address)?.claims ?? [];
  }

  claimsBy(uid: string): readonly Claim[] {
    return this.#claimsBy.get(uid)?.claims ?? [];
  }

  /** The addresses that an account ever claimed, in no order. */
  addressesClaimedBy(uid: string): Iterable<string> {
    return this.#claimsBy.get(uid)?.addresses ?? [];
  }

  /**
   * Rises whenever something changes that decides who owns an address: a claim on it, its status, a claimant's
   * deletion.
   */
  ownershipRevision(address: string): number {
    return this.#claimsOn.get(address)?.revision ?? 0;
  }

  claim(key: Pick<Claim, 'address' | 'uid' | 'at'>): Claim | undefined {
    return this.#claims.get(claimKey(key));
  }

  choicesAt(origin: Origin): Iterable<Choice> {
    return this.#choices.get(originKey(origin))?.values() ?? [];
  }

  get undone(): Iterable<UndoneMerge> {
    return this.#undone.values();
  }

  deletedAt(uid: string): Time | undefined {
    return this.accounts.get(uid)?.deletedAt;
  }

  addAddress(incoming: AddressFacts): boolean {
    const known = this.addresses.get(incoming.address);
    const merged = known ? mergeAddress(known, incoming) : incoming;
    if (merged === known) return false;
    this.addresses.set(incoming.address, merged);
    return true;
  }

  addAccount(incoming: AccountFacts): boolean {
    const { uid } = incoming;
    const known = this.accounts.get(uid);
    const merged = known ? mergeAccount(known, incoming) : incoming;
    if (merged === known) return false;
    this.accounts.set(uid, merged);
    if (merged.deletedAt !== known?.deletedAt) this.#reviseOwnership(this.addressesClaimedBy(uid));
    return true;
  }

  /** A claim that a block covers is added as blocked. A known claim keeps its status. */
  addClaim(incoming: Claim): boolean {
    const key = claimKey(incoming);
    if (this.#claims.has(key)) return false;
    const block = this.#blocks.get(blockKey(incoming.uid, incoming.address));
    const claim: Claim = block && incoming.at > block.since ? { ...incoming, status: 'blocked' } : { ...incoming };
    this.#claims.set(key, claim);
    const on = this.#claimsOn.get(claim.address);
    if (on) {
      on.claims.push(claim);
      on.revision += 1;
    } else this.#claimsOn.set(claim.address, { claims: [claim], revision: 1 });
    const by = this.#claimsBy.get(claim.uid);
    if (by) {
      by.claims.push(claim);
      by.addresses.add(claim.address);
    } else this.#claimsBy.set(claim.uid, { claims: [claim], addresses: new Set([claim.address]) });
    return true;
  }

  /** Sets the status of some claims of an account on an address. @returns the claims whose status changed */
  setClaimStatus(uid: string, address: string, status: Claim['status'], which: (claim: Claim) => boolean): Claim[] {
    const changed = this.claimsOn(address).filter(
      (claim) => claim.uid === uid && claim.status !== status && which(claim),
    );
    for (const claim of changed) claim.status = status;
    if (changed.length > 0) this.#reviseOwnership([address]);
    return changed;
  }

  /** @returns the claims that are blocked now and were not before */
  addBlock(block: Block): Claim[] {
    this.#blocks.set(blockKey(block.uid, block.address), block);
    return this.setClaimStatus(block.uid, block.address, 'blocked', (claim) => claim.at > block.since);
  }

  /** @returns the claims that are active again */
  removeBlock(uid: string, address: string): Claim[] {
    this.#blocks.delete(blockKey(uid, address));
    return this.setClaimStatus(uid, address, 'active', (claim) => claim.status === 'blocked');
  }

  #reviseOwnership(addresses: Iterable<string>): void {
    for (const address of addresses) {
      const on = this.#claimsOn.get(address);
      if (on) on.revision += 1;
    }
  }

  addUndone(merge: UndoneMerge): void {
    this.#undone.set(merge.mergeId, merge);
  }

  addChoice(choice: Choice): boolean {
    const origin = originKey(choice.origin);
    const choices = this.#choices.get(origin) ?? new Map<string, Choice>();
    const key = choiceKey(choice);
    const known = choices.get(key);
    const merged = known ? mergeChoices(known, choice) : choice;
    if (merged === known) return false;
    choices.set(key, merged);
    this.#choices.set(origin, choices);
    return true;
  }

  /** The facts of some addresses and accounts, without the claims and choices that are selected, or without a deletion. */
  without(
    { addresses, uids }: { addresses: Iterable<string>; uids: Iterable<string> },
    selected: { claim?: (claim: Claim) => boolean; choice?: (choice: Choice) => boolean; deletionOf?: string | null },
  ): Facts {
    const { claim, choice: isSelected, deletionOf } = selected;
    const addChoices = (origin: Origin): void => {
      for (const choice of this.choicesAt(origin)) if (!isSelected?.(choice)) others.addChoice(choice);
    };
    const others = new Facts();
    for (const merge of this.undone) others.addUndone(merge);
    for (const address of addresses) {
      const known = this.addresses.get(address);
      if (known) others.addAddress(known);
      for (const made of this.claimsOn(address)) if (!claim?.(made)) others.addClaim(made);
      addChoices({ kind: 'address', key: address });
    }
    for (const uid of uids) {
      const { deletedAt, ...account } = this.accounts.get(uid) ?? { uid };
      others.addAccount(deletedAt === undefined || uid === deletionOf ? account : { ...account, deletedAt });
      addChoices({ kind: 'account', key: uid });
    }
    return others;
  }
}

/** @returns the known facts themselves if the others say nothing new */
function mergeAddress(known: AddressFacts, incoming: AddressFacts): AddressFacts {
  const typed = latest(known.typed, incoming.typed) as Dated<string>;
  const profile = mergeProfiles(known.profile, incoming.profile);
  return typed === known.typed && profile === known.profile ? known : { address: known.address, typed, profile };
}

function mergeProfiles(known: ProfileFacts, incoming: ProfileFacts): ProfileFacts {
  if (incoming === NO_PROFILE) return known;
  const merged = {
    firstName: latest(known.firstName, incoming.firstName),
    lastName: latest(known.lastName, incoming.lastName),
    country: latest(known.country, incoming.country),
    lang: latest(known.lang, incoming.lang),
    format: latest(known.format, incoming.format),
  } satisfies Record<ProfileField, Dated | undefined>;
  return PROFILE_FIELDS.every((field) => merged[field] === known[field]) ? known : merged;
}

/** @returns the known facts themselves if the others say nothing new */
function mergeAccount(known: AccountFacts, incoming: AccountFacts): AccountFacts {
  const createdAt = earlierTime(known.createdAt, incoming.createdAt);
  const deletedAt = earlierTime(known.deletedAt, incoming.deletedAt);
  const locale = latest(known.locale, incoming.locale);
  const country = latest(known.country, incoming.country);
  const service = earliest(known.service, incoming.service);
  const isKnown =
    createdAt === known.createdAt &&
    deletedAt === known.deletedAt &&
    locale === known.locale &&
    country === known.country &&
    service === known.service;
  return isKnown ? known : { uid: known.uid, createdAt, deletedAt, locale, country, service };
}

function earlierTime(a: Time | undefined, b: Time | undefined): Time | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
