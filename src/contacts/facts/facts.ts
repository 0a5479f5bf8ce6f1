/**
 * Facts: what was received, each keyed by what it says. Learning one twice, or learning several in any order, ends in
 * the same facts: every merge below is commutative, associative and idempotent. Everything else follows from them.
 */
import type { Profile, Time } from './event';

/** A value with the event time at which it was learned. `null` is a value: the reader cleared the field. */
export interface Dated<T extends string | null = string | null> {
  value: T;
  at: Time;
}

export const PROFILE_FIELDS = [
  'firstName',
  'lastName',
  'country',
  'lang',
  'format',
] as const satisfies (keyof Profile)[];
export type ProfileField = (typeof PROFILE_FIELDS)[number];

export interface AddressFacts {
  address: string;
  typed: Dated<string>;
  /** Each field keeps only its latest value; it belongs to whoever owned the address at that time. */
  profile: Partial<Record<ProfileField, Dated>>;
}

export interface AccountFacts {
  uid: string;
  /** The earliest `delete`: a uid never comes back to life. */
  deletedAt?: Time;
  locale?: Dated<string>;
  country?: Dated<string>;
  service?: Dated<string>;
}

export interface Claim {
  address: string;
  uid: string;
  at: Time;
  /** `held` waits for a decision (observe mode), `blocked` was undone; only `counted` claims decide who owns. */
  status: 'active' | 'held' | 'blocked';
  event: string;
  eventId: string;
}

/** After an undo: claims of this account on this address, made after `since`, do not count until it is unblocked. */
export interface Block {
  uid: string;
  address: string;
  /** When the period began that had passed to the account; minus infinity where the address had stood alone. */
  since: Time;
}

/**
 * A merge that was undone. While it stood, one token opened both sides, and whoever opted out meant all their email:
 * an opt-out on either side in that time counts for both.
 */
export interface UndoneMerge {
  mergeId: string;
  /** The survivor's account. */
  uid: string;
  /** The retired contact's account; null where its address stood alone. */
  claimant: string | null;
  /** The retired side's. */
  addresses: readonly string[];
  /** From the event time of what triggered the merge until the undo. */
  from: Time;
  until: Time;
}

export type Act = 'subscribe' | 'unsubscribe' | 'confirm' | 'opt_out';

export interface Origin {
  kind: 'address' | 'account';
  key: string;
}

export interface Choice {
  origin: Origin;
  /** Empty for acts about all email: `confirm` and `opt_out`. */
  newsletter: string;
  at: Time;
  act: Act;
  proven: boolean;
  source: string | null;
  lang: string | null;
  format: string | null;
  reason: string | null;
}

/** The later value; at equal times a value before a null, and the greater value. */
export function latest<T extends string | null>(
  a: Dated<T> | undefined,
  b: Dated<T> | undefined,
): Dated<T> | undefined {
  if (!a || !b) return a ?? b;
  if (a.at !== b.at) return a.at > b.at ? a : b;
  if (a.value === null || b.value === null) return a.value === null ? b : a;
  return a.value >= b.value ? a : b;
}

const REFUSALS: ReadonlySet<Act> = new Set<Act>(['unsubscribe', 'opt_out']);

export const isRefusal = (choice: Choice): boolean => REFUSALS.has(choice.act);

/** Two choices under one key: the refusal wins; the same act twice is proven if either is. */
export function mergeChoices(a: Choice, b: Choice): Choice {
  if (a.act !== b.act) return isRefusal(a) ? a : b;
  const proven = a.proven || b.proven;
  const kept = detail(a) >= detail(b) ? a : b;
  return kept.proven === proven ? kept : { ...kept, proven };
}

/** A total order over what else a choice says, so that repetition in any order keeps the same one. */
const detail = (choice: Choice): string =>
  [choice.source, choice.lang, choice.format, choice.reason].map((text) => text ?? '').join('\u0000');

export const choiceKey = (choice: Choice): string => `${choice.newsletter}\u0000${choice.at}`;
export const originKey = (origin: Origin): string => `${origin.kind}\u0000${origin.key}`;

const claimKey = ({ address, uid, at }: Pick<Claim, 'address' | 'uid' | 'at'>): string =>
  `${address}\u0000${uid}\u0000${at}`;
const blockKey = (uid: string, address: string): string => `${uid}\u0000${address}`;

/** Facts in memory: those of a batch and of all that it touches, or all there are. */
export class Facts {
  readonly addresses = new Map<string, AddressFacts>();
  readonly accounts = new Map<string, AccountFacts>();
  /** Goes up with each claim and each deletion: what decides who owned what, and when. */
  revision = 0;
  readonly #claimsOn = new Map<string, Claim[]>();
  readonly #claimsBy = new Map<string, Claim[]>();
  readonly #claims = new Map<string, Claim>();
  readonly #blocks = new Map<string, Block>();
  readonly #undone = new Map<string, UndoneMerge>();
  readonly #choices = new Map<string, Map<string, Choice>>();

  claimsOn(address: string): readonly Claim[] {
    return this.#claimsOn.get(address) ?? [];
  }

  claimsBy(uid: string): readonly Claim[] {
    return this.#claimsBy.get(uid) ?? [];
  }

  /** What is known of a claim, by its key. */
  claim(key: Pick<Claim, 'address' | 'uid' | 'at'>): Claim | undefined {
    return this.#claims.get(claimKey(key));
  }

  choicesAt(origin: Origin): Iterable<Choice> {
    return this.#choices.get(originKey(origin))?.values() ?? [];
  }

  /** Merges that were undone, each once. */
  get undone(): Iterable<UndoneMerge> {
    return this.#undone.values();
  }

  deletedAt(uid: string): Time | undefined {
    return this.accounts.get(uid)?.deletedAt;
  }

  /** The learners answer whether it was new. */
  addAddress(incoming: AddressFacts): boolean {
    const known = this.addresses.get(incoming.address);
    if (!known) {
      this.addresses.set(incoming.address, { ...incoming, profile: { ...incoming.profile } });
      return true;
    }
    const typed = latest(known.typed, incoming.typed) as Dated<string>;
    let changed = !same(known.typed, typed);
    known.typed = typed;
    for (const field of PROFILE_FIELDS) {
      const value = latest(known.profile[field], incoming.profile[field]);
      if (!value || same(known.profile[field], value)) continue;
      known.profile[field] = value;
      changed = true;
    }
    return changed;
  }

  addAccount(incoming: AccountFacts): boolean {
    const known = this.accounts.get(incoming.uid);
    if (!known) {
      this.accounts.set(incoming.uid, { ...incoming });
      this.revision += 1;
      return true;
    }
    let changed = false;
    if (incoming.deletedAt !== undefined && incoming.deletedAt < (known.deletedAt ?? Number.POSITIVE_INFINITY)) {
      known.deletedAt = incoming.deletedAt;
      this.revision += 1;
      changed = true;
    }
    for (const field of ['locale', 'country', 'service'] as const) {
      const value = latest(known[field], incoming[field]);
      if (!value || same(known[field], value)) continue;
      known[field] = value;
      changed = true;
    }
    return changed;
  }

  /** A claim that a block covers is blocked. What is decided of a claim that is known already stays. */
  addClaim(incoming: Claim): boolean {
    const key = claimKey(incoming);
    if (this.#claims.has(key)) return false;
    this.revision += 1;
    const block = this.#blocks.get(blockKey(incoming.uid, incoming.address));
    const claim: Claim = block && incoming.at > block.since ? { ...incoming, status: 'blocked' } : { ...incoming };
    this.#claims.set(key, claim);
    const on = this.#claimsOn.get(claim.address) ?? [];
    const by = this.#claimsBy.get(claim.uid) ?? [];
    on.push(claim);
    by.push(claim);
    this.#claimsOn.set(claim.address, on);
    this.#claimsBy.set(claim.uid, by);
    return true;
  }

  /** Sets which claims of an account on an address count. @returns those for which this is incoming */
  setClaimStatus(uid: string, address: string, status: Claim['status'], which: (claim: Claim) => boolean): Claim[] {
    const settled = this.claimsBy(uid).filter(
      (claim) => claim.address === address && claim.status !== status && which(claim),
    );
    for (const claim of settled) claim.status = status;
    if (settled.length > 0) this.revision += 1;
    return settled;
  }

  /** @returns the claims that count no more */
  addBlock(block: Block): Claim[] {
    this.#blocks.set(blockKey(block.uid, block.address), block);
    return this.setClaimStatus(block.uid, block.address, 'blocked', (claim) => claim.at > block.since);
  }

  /** @returns the claims that count again */
  removeBlock(uid: string, address: string): Claim[] {
    this.#blocks.delete(blockKey(uid, address));
    return this.setClaimStatus(uid, address, 'active', (claim) => claim.status === 'blocked');
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

  /** What is known of some addresses and accounts, as it would be without some claims or without a deletion. */
  without(
    { addresses, uids }: { addresses: readonly string[]; uids: readonly string[] },
    { claim, deletionOf }: { claim?: (claim: Claim) => boolean; deletionOf?: string | null },
  ): Facts {
    const others = new Facts();
    for (const merge of this.undone) others.addUndone(merge);
    for (const address of addresses) {
      const known = this.addresses.get(address);
      if (known) others.addAddress(known);
      for (const made of this.claimsOn(address)) if (!claim?.(made)) others.addClaim(made);
      for (const choice of this.choicesAt({ kind: 'address', key: address })) others.addChoice(choice);
    }
    for (const uid of uids) {
      const { deletedAt, ...account } = this.accounts.get(uid) ?? { uid };
      others.addAccount(deletedAt === undefined || uid === deletionOf ? account : { ...account, deletedAt });
      for (const choice of this.choicesAt({ kind: 'account', key: uid })) others.addChoice(choice);
    }
    return others;
  }
}

const same = (a: Dated | undefined, b: Dated): boolean => a !== undefined && a.at === b.at && a.value === b.value;
