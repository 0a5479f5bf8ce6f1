/**
 * Erasure: what goes, so that no fact names a person any more, and what is written instead, so that everybody else's
 * view stays as it is.
 *
 * Others may have had the person's addresses before, and may have addresses now that were the person's once. What they
 * said there is theirs, and where their periods begin and end is told by the person's claims: without these, periods of two
 * others would meet, and one could pass to the other. Such claims stay, under names that are nobody's: of an address
 * that is none, of an account that is deleted and has no contact. A refusal of the person that counts for somebody else
 * becomes that one's own.
 */

import type { Time } from '../../contacts/facts/event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  choiceKey,
  Facts,
  isRefusal,
  NO_DETAILS,
  type Origin,
  PROFILE_FIELDS,
  type UndoneMerge,
} from '../../contacts/facts/facts';
import {
  addressesClaimedBy,
  addressesOwnedBy,
  isEffective,
  type Person,
  peopleOf,
  periodAt,
  periodsOf,
} from '../../contacts/identity/ownership';
import { attributedChoices } from '../../contacts/profile/attribution';

export interface ErasurePlan {
  /** The later of now and the newest event erased: older ones that come late are dropped. */
  at: Time;
  /** The person's: their rows, and all claims on them and choices at them, go. */
  addresses: string[];
  /** The person's account, and those that it was before: their rows, their claims and the choices made in them go. */
  uids: string[];
  /** Choices that go besides: those made in the person's periods at addresses that are others' now. */
  choices: Choice[];
  /** Those of the latter addresses that knew something of the person, without it. */
  profiles: AddressFacts[];
  /** What is written when all that is gone. */
  instead: { accounts: AccountFacts[]; claims: Claim[]; choices: Choice[] };
  names: Names;
  /** All that is known afterwards. */
  left: Facts;
}

/** What the person's addresses and accounts are called from now on, where others' facts and merges hang on them. */
export interface Names {
  address: ReadonlyMap<string, string>;
  account: ReadonlyMap<string, string>;
}

export interface ErasureOptions {
  now: Time;
  /** A name that nobody had before. */
  newName(): string;
  /** Merges that the ledger forgets: those of the person's contacts. */
  merges: ReadonlySet<string>;
}

/** What goes. */
interface Gone {
  claims: readonly Claim[];
  choices: readonly Choice[];
}

/** Whom it is about. */
interface Subject {
  facts: Facts;
  addresses: ReadonlySet<string>;
  uids: ReadonlySet<string>;
  names: Names;
}

/**
 * @param facts all that is known of the person, and of everybody whom claims connect with it.
 * @param person as the claims say it: an account with the addresses it owns, or a lone address.
 */
export function planErasure(facts: Facts, person: Person, { now, newName, merges }: ErasureOptions): ErasurePlan {
  const addresses = new Set(person.addresses);
  const uids = accountsOf(facts, person);
  const subject: Subject = { facts, addresses, uids, names: namesFor(addresses, uids, newName) };

  const claims = [...claimsIn(facts)].filter((claim) => addresses.has(claim.address) || uids.has(claim.uid));
  const choices = [...choicesIn(facts)].filter((choice) => isTheirs(subject, choice.origin, choice.at));
  const gone = { claims, choices };
  const cuts = [...facts.addresses.values()].map((known) => cut(subject, known));
  const others = cuts.filter(({ rest }) => !addresses.has(rest.address));
  const instead = insteadOf(subject, gone);
  const profiles = others.map(({ rest }) => rest);
  const left = leftOf(subject, gone, instead, profiles);
  for (const merge of facts.undone) {
    if (!merges.has(merge.mergeId)) left.addUndone(renamedMerge(merge, subject.names));
  }
  const inherited = refusalsLost(subject, left);
  for (const choice of inherited) left.addChoice(choice);
  instead.choices.push(...inherited);
  return {
    at: latestOf([
      now,
      ...[...claims, ...choices].map(({ at }) => at),
      ...cuts.flatMap(({ times }) => times),
      ...[...uids].flatMap((uid) => timesOf(facts.accounts.get(uid))),
    ]),
    addresses: [...addresses],
    uids: [...uids],
    choices: choices.filter(({ origin }) => origin.kind === 'address' && !addresses.has(origin.key)),
    profiles: others.filter(({ times }) => times.length > 0).map(({ rest }) => rest),
    instead,
    names: subject.names,
    left,
  };
}

/**
 * The account, and the deleted ones that it was before: those that own no address any more, and that nobody else
 * succeeded. Besides, the names that earlier erasures left, and that nobody needs after this one.
 */
function accountsOf(facts: Facts, { uid, addresses }: Person): Set<string> {
  const uids = new Set(uid === null ? [] : [uid]);
  const ended = [...facts.accounts.keys()].filter(
    (other) => facts.deletedAt(other) !== undefined && addressesOwnedBy(facts, other).length === 0,
  );
  for (let found: string[] | null = null; found === null || found.length > 0; ) {
    found = ended.filter((other) => {
      const heirs = successorsOf(facts, other);
      return !uids.has(other) && heirs.length > 0 && heirs.every((heir) => uids.has(heir));
    });
    for (const other of found) uids.add(other);
  }
  const isSomebody = (claim: Claim): boolean =>
    !isNobody(claim.uid) && !uids.has(claim.uid) && isEffective(facts, claim);
  const isNeeded = (address: string): boolean =>
    (facts.addresses.has(address) && !addresses.includes(address)) || facts.claimsOn(address).some(isSomebody);
  for (const other of facts.accounts.keys()) {
    if (isNobody(other) && !addressesClaimedBy(facts, other).some(isNeeded)) uids.add(other);
  }
  return uids;
}

/** The accounts to which periods of an account passed next. */
const successorsOf = (facts: Facts, uid: string): string[] =>
  addressesClaimedBy(facts, uid).flatMap((address) =>
    periodsOf(facts, address).flatMap((period) => (period.inheritedFrom === uid ? period.uid : [])),
  );

const isNobody = (uid: string): boolean => /^[!~]/.test(uid);

/** No name can be an address or a uid that somebody has; and they are in the same order as what they stand for. */
function namesFor(addresses: Iterable<string>, uids: Iterable<string>, newName: () => string): Names {
  const named = (keys: Iterable<string>): Map<string, string> => {
    const inOrder = [...keys].sort();
    const names = inOrder.map(() => `~${newName()}`).sort();
    return new Map(inOrder.map((key, i) => [key, names[i] as string]));
  };
  return { address: named(addresses), account: named(uids) };
}

/** Was this learned of the person: in its account, at its address, or in an period of its at another's? */
function isTheirs({ facts, addresses, uids }: Subject, { kind, key }: Origin, at: Time): boolean {
  if (kind === 'account') return uids.has(key);
  const owner = periodAt(facts, key, at)?.owner;
  return owner === undefined ? addresses.has(key) : uids.has(owner);
}

/** What an address knows of others, and when it learned what is not among it. */
function cut(subject: Subject, known: AddressFacts): { rest: AddressFacts; times: Time[] } {
  const { address, typed } = known;
  const isGone = subject.addresses.has(address);
  const rest: AddressFacts = { address, typed, profile: {} };
  const times = isGone ? [typed.at] : [];
  for (const field of PROFILE_FIELDS) {
    const value = known.profile[field];
    if (!value) continue;
    if (isGone || isTheirs(subject, { kind: 'address', key: address }, value.at)) times.push(value.at);
    else rest.profile[field] = value;
  }
  return { rest, times };
}

const latestOf = (times: readonly Time[]): Time => times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

const timesOf = ({ deletedAt, locale, country, service }: Partial<AccountFacts> = {}): Time[] =>
  [deletedAt, locale?.at, country?.at, service?.at].filter((at) => at !== undefined);

/** The claims between which others' periods lie, and the choices of others at the person's addresses: under other names. */
function insteadOf(subject: Subject, gone: Gone): ErasurePlan['instead'] {
  const { facts, addresses, uids, names } = subject;
  const kept = gone.claims.filter((claim) => isEffective(facts, claim) && othersOn(subject, claim.address).length > 0);
  const claims = kept.map((claim) => renamed(subject, claim));
  // An period passes on when its account was deleted before the next one began: that of a live account never did.
  const never = 1 + latestOf([...claimsIn(facts)].map(({ at }) => at));
  const accounts = kept.flatMap(({ uid }, i) =>
    uids.has(uid) ? { uid: (claims[i] as Claim).uid, deletedAt: facts.deletedAt(uid) ?? never } : [],
  );
  const theirs = new Set(gone.choices);
  return {
    accounts: [...new Map(accounts.map((account) => [account.uid, account])).values()],
    claims,
    choices: [...choicesIn(facts)]
      .filter((choice) => choice.origin.kind === 'address' && addresses.has(choice.origin.key) && !theirs.has(choice))
      .map((choice) => ({
        ...choice,
        origin: { kind: 'address', key: names.address.get(choice.origin.key) as string },
      })),
  };
}

/** The claims of others on an address that count. */
const othersOn = ({ facts, uids }: Subject, address: string): Claim[] =>
  facts.claimsOn(address).filter((claim) => !uids.has(claim.uid) && isEffective(facts, claim));

/**
 * A claim under other names, as far as it is the person's or on an address of the person's. Of claims at one time the
 * greater uid's counts as the later: the name stands before all uids, or behind, as the uid stands to that of another.
 */
function renamed(subject: Subject, claim: Claim): Claim {
  const { address, account } = subject.names;
  const name = account.get(claim.uid);
  const isBefore = othersOn(subject, claim.address).some(({ at, uid }) => at === claim.at && uid > claim.uid);
  return {
    ...claim,
    address: address.get(claim.address) ?? claim.address,
    uid: name === undefined ? claim.uid : isBefore ? name.replace('~', '!') : name,
    eventId: '', // it can be a hash of what the event said
  };
}

/** What is known afterwards, but for the refusals that others inherit, and for undone merges. */
function leftOf(
  { facts, addresses, uids }: Subject,
  gone: Gone,
  instead: ErasurePlan['instead'],
  profiles: readonly AddressFacts[],
): Facts {
  const left = new Facts();
  const [claims, choices] = [new Set(gone.claims), new Set(gone.choices)];
  for (const address of profiles) left.addAddress(address);
  for (const account of facts.accounts.values()) if (!uids.has(account.uid)) left.addAccount(account);
  for (const claim of claimsIn(facts)) if (!claims.has(claim)) left.addClaim(claim);
  for (const choice of choicesIn(facts)) {
    const { kind, key } = choice.origin;
    if (!choices.has(choice) && !(kind === 'address' && addresses.has(key))) left.addChoice(choice);
  }
  for (const account of instead.accounts) left.addAccount(account);
  for (const claim of instead.claims) left.addClaim(claim);
  for (const choice of instead.choices) left.addChoice(choice);
  return left;
}

/** Refusals that counted for others and would be gone: as those others' own, each once, without what was said besides. */
function refusalsLost({ facts, addresses, uids }: Subject, left: Facts): Choice[] {
  return peopleOf(facts).flatMap((other) => {
    const [address = ''] = other.addresses;
    if (other.uid === null ? addresses.has(address) : uids.has(other.uid)) return [];
    const origin: Origin = other.uid === null ? { kind: 'address', key: address } : { kind: 'account', key: other.uid };
    const kept = new Set([...attributedChoices(left, other).keys()].map(whatItSays));
    const lost = new Map<string, Choice>();
    for (const choice of attributedChoices(facts, other).keys()) {
      if (!isRefusal(choice) || kept.has(whatItSays(choice))) continue;
      lost.set(whatItSays(choice), { ...choice, ...NO_DETAILS, origin });
    }
    return [...lost.values()];
  });
}

const whatItSays = (choice: Choice): string => `${choice.act} ${choiceKey(choice)}`;

const renamedMerge = (merge: UndoneMerge, names: Names): UndoneMerge => ({
  ...merge,
  uid: names.account.get(merge.uid) ?? merge.uid,
  claimant: names.account.get(merge.claimant ?? '') ?? merge.claimant,
  addresses: merge.addresses.filter((address) => !names.address.has(address)),
});

function* claimsIn(facts: Facts): Iterable<Claim> {
  for (const uid of facts.accounts.keys()) yield* facts.claimsBy(uid);
}

function* choicesIn(facts: Facts): Iterable<Choice> {
  const addresses = new Set(facts.addresses.keys());
  for (const { address } of claimsIn(facts)) addresses.add(address);
  for (const key of addresses) yield* facts.choicesAt({ kind: 'address', key });
  for (const key of facts.accounts.keys()) yield* facts.choicesAt({ kind: 'account', key });
}
