/**
 * Which facts of an erased person are deleted, and what replaces them so that no other person's view changes.
 *
 * Other people may have owned the person's addresses before, and may own former addresses of the person now. Their
 * facts at these addresses stay. So do the person's claims between two other people's periods, under pseudonyms: without
 * them, the two periods would become one, or one would inherit the other. A pseudonym is an address that cannot exist, or
 * a deleted account without a contact. A refusal of the person that counts for another
 * contact becomes that contact's own.
 */

import type { Time } from '../../contacts/facts/event';
import {
  type AccountFacts,
  type AddressFacts,
  type Choice,
  type Claim,
  choiceKey,
  type Dated,
  Facts,
  isRefusal,
  NO_DETAILS,
  type Origin,
  PROFILE_FIELDS,
  type ProfileField,
  type UndoneMerge,
} from '../../contacts/facts/facts';
import { accountPseudonym, addressPseudonym, isPseudonym } from '../../contacts/facts/pseudonym';
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
  /** The later of now and the newest erased event: older events that arrive later are dropped. */
  at: Time;
  /** The person's addresses: they are deleted with all claims on them and choices at them. */
  addresses: string[];
  /** The person's account and its predecessors: they are deleted with their claims and the choices made in them. */
  uids: string[];
  /** Further choices to delete: made in the person's periods at addresses that other people own now. */
  choices: Choice[];
  /** The facts of such addresses, without values that the person had given. */
  profiles: AddressFacts[];
  /** What is written after the deletions. */
  replacements: { accounts: AccountFacts[]; claims: Claim[]; choices: Choice[] };
  pseudonyms: Pseudonyms;
  /** All facts after the erasure. */
  left: Facts;
}

/** What replaces the person's addresses and accounts where other people's facts and merges refer to them. */
export interface Pseudonyms {
  address: ReadonlyMap<string, string>;
  account: ReadonlyMap<string, string>;
}

export interface ErasureOptions {
  now: Time;
  /** A name that was never used before. */
  newName(): string;
  /** The merges that are deleted from the ledger: those of the person's contacts. */
  merges: ReadonlySet<string>;
}

interface Deleted {
  claims: readonly Claim[];
  choices: readonly Choice[];
}

/** The person to erase, among all facts. */
interface Subject {
  facts: Facts;
  addresses: ReadonlySet<string>;
  uids: ReadonlySet<string>;
  pseudonyms: Pseudonyms;
}

/**
 * @param facts all facts of the person's connected component.
 * @param person an account with the addresses that it owns, or a lone address.
 */
export function planErasure(facts: Facts, person: Person, { now, newName, merges }: ErasureOptions): ErasurePlan {
  const addresses = new Set(person.addresses);
  const uids = accountsOf(facts, person);
  const pseudonyms = {
    address: new Map([...addresses].map((address) => [address, addressPseudonym(newName())])),
    account: new Map([...uids].map((uid) => [uid, accountPseudonym(uid, metBy(facts, uid), newName())])),
  };
  const subject: Subject = { facts, addresses, uids, pseudonyms };

  const claims = [...claimsIn(facts)].filter((claim) => addresses.has(claim.address) || uids.has(claim.uid));
  const choices = [...choicesIn(facts)].filter((choice) => isOfPerson(subject, choice.origin, choice.at));
  const deleted = { claims, choices };
  const profiles = [...facts.addresses.values()].map((stored) => splitProfile(subject, stored));
  const others = profiles.filter(({ rest }) => !addresses.has(rest.address));
  const replacements = replacementsFor(subject, deleted);
  const left = factsLeft(
    subject,
    deleted,
    replacements,
    others.map(({ rest }) => rest),
  );
  for (const merge of facts.undone) {
    if (!merges.has(merge.mergeId)) left.addUndone(pseudonymiseMerge(merge, pseudonyms));
  }
  const refusals = lostRefusals(subject, left);
  for (const choice of refusals) left.addChoice(choice);
  replacements.choices.push(...refusals);
  return {
    at: latestOf([
      now,
      ...[...claims, ...choices].map(({ at }) => at),
      ...profiles.flatMap(({ times }) => times),
      ...[...uids].flatMap((uid) => timesOf(facts.accounts.get(uid))),
    ]),
    addresses: [...addresses],
    uids: [...uids],
    choices: choices.filter(({ origin }) => origin.kind === 'address' && !addresses.has(origin.key)),
    profiles: others.filter(({ times }) => times.length > 0).map(({ rest }) => rest),
    replacements,
    pseudonyms,
    left,
  };
}

/**
 * The account and its predecessors, which are deleted accounts that own no address any more and have no other
 * successors. Also pseudonyms of earlier erasures that are not needed after this one.
 */
function accountsOf(facts: Facts, { uid, addresses }: Person): Set<string> {
  const uids = new Set(uid === null ? [] : [uid]);
  const ended = [...facts.accounts.keys()].filter(
    (other) => facts.deletedAt(other) !== undefined && addressesOwnedBy(facts, other).length === 0,
  );
  for (let found: string[] | null = null; found === null || found.length > 0; ) {
    found = ended.filter((other) => {
      const successors = successorsOf(facts, other);
      return !uids.has(other) && successors.length > 0 && successors.every((successor) => uids.has(successor));
    });
    for (const other of found) uids.add(other);
  }
  const isOfOthers = (claim: Claim): boolean =>
    !isPseudonym(claim.uid) && !uids.has(claim.uid) && isEffective(facts, claim);
  const isNeeded = (address: string): boolean =>
    (facts.addresses.has(address) && !addresses.includes(address)) || facts.claimsOn(address).some(isOfOthers);
  for (const other of facts.accounts.keys()) {
    if (isPseudonym(other) && !addressesClaimedBy(facts, other).some(isNeeded)) uids.add(other);
  }
  return uids;
}

/** The accounts that inherited a period directly from an account. */
const successorsOf = (facts: Facts, uid: string): string[] =>
  addressesClaimedBy(facts, uid).flatMap((address) =>
    periodsOf(facts, address).flatMap((period) => (period.inheritedFrom === uid ? period.uid : [])),
  );

/** The other accounts that claimed an address at exactly the same time as an account. */
function metBy(facts: Facts, uid: string): Set<string> {
  const met = new Set<string>();
  for (const address of addressesClaimedBy(facts, uid)) {
    const claims = facts.claimsOn(address);
    const times = new Set(claims.flatMap((claim) => (claim.uid === uid ? claim.at : [])));
    for (const claim of claims) if (claim.uid !== uid && times.has(claim.at)) met.add(claim.uid);
  }
  return met;
}

/** Whether a fact was learned in the person's account, at their address, or in their period at another address. */
function isOfPerson({ facts, addresses, uids }: Subject, { kind, key }: Origin, at: Time): boolean {
  if (kind === 'account') return uids.has(key);
  const owner = periodAt(facts, key, at)?.owner;
  return owner === undefined ? addresses.has(key) : uids.has(owner);
}

/** The facts of an address without the person's facts, and the times of the person's facts. */
function splitProfile(subject: Subject, stored: AddressFacts): { rest: AddressFacts; times: Time[] } {
  const { address, typed } = stored;
  const isDeleted = subject.addresses.has(address);
  const kept: Partial<Record<ProfileField, Dated>> = {};
  const times = isDeleted ? [typed.at] : [];
  for (const field of PROFILE_FIELDS) {
    const value = stored.profile[field];
    if (!value) continue;
    if (isDeleted || isOfPerson(subject, { kind: 'address', key: address }, value.at)) times.push(value.at);
    else kept[field] = value;
  }
  return { rest: { address, typed, profile: kept }, times };
}

const latestOf = (times: readonly Time[]): Time => times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

const timesOf = ({ deletedAt, locale, country, service }: Partial<AccountFacts> = {}): Time[] =>
  [deletedAt, locale?.at, country?.at, service?.at].filter((at) => at !== undefined);

/**
 * Under pseudonyms: claims that delimit other people's periods, and other people's choices at the person's addresses.
 */
function replacementsFor(subject: Subject, deleted: Deleted): ErasurePlan['replacements'] {
  const { facts, addresses, uids, pseudonyms } = subject;
  const shared = new Set(
    deleted.claims.map(({ address }) => address).filter((address) => isClaimedByOthers(subject, address)),
  );
  const kept = deleted.claims.filter((claim) => isEffective(facts, claim) && shared.has(claim.address));
  const claims = kept.map((claim) => pseudonymise(subject, claim));
  // A period is inherited if its account was deleted before the next period began. The period of a live account is not
  // inherited, so its pseudonym is deleted after all claims.
  const afterAll = 1 + latestOf([...claimsIn(facts)].map(({ at }) => at));
  const accounts = kept.flatMap(({ uid }, i) =>
    uids.has(uid) ? { uid: (claims[i] as Claim).uid, deletedAt: facts.deletedAt(uid) ?? afterAll } : [],
  );
  const own = new Set(deleted.choices);
  return {
    accounts: [...new Map(accounts.map((account) => [account.uid, account])).values()],
    claims,
    choices: [...choicesIn(facts)]
      .filter((choice) => choice.origin.kind === 'address' && addresses.has(choice.origin.key) && !own.has(choice))
      .map((choice) => ({
        ...choice,
        origin: { kind: 'address', key: pseudonyms.address.get(choice.origin.key) as string },
      })),
  };
}

const isClaimedByOthers = ({ facts, uids }: Subject, address: string): boolean =>
  facts.claimsOn(address).some((claim) => !uids.has(claim.uid) && isEffective(facts, claim));

/** A claim with pseudonyms for the person's account and address. */
const pseudonymise = ({ pseudonyms: { address, account } }: Subject, claim: Claim): Claim => ({
  ...claim,
  address: address.get(claim.address) ?? claim.address,
  uid: account.get(claim.uid) ?? claim.uid,
  eventId: '', // it can be a hash of the event's content
});

/** The facts after the erasure, except for undone merges and lost refusals. */
function factsLeft(
  { facts, addresses, uids }: Subject,
  deleted: Deleted,
  replacements: ErasurePlan['replacements'],
  profiles: readonly AddressFacts[],
): Facts {
  const left = new Facts();
  const [claims, choices] = [new Set(deleted.claims), new Set(deleted.choices)];
  for (const address of profiles) left.addAddress(address);
  for (const account of facts.accounts.values()) if (!uids.has(account.uid)) left.addAccount(account);
  for (const claim of claimsIn(facts)) if (!claims.has(claim)) left.addClaim(claim);
  for (const choice of choicesIn(facts)) {
    const { kind, key } = choice.origin;
    if (!choices.has(choice) && !(kind === 'address' && addresses.has(key))) left.addChoice(choice);
  }
  for (const account of replacements.accounts) left.addAccount(account);
  for (const claim of replacements.claims) left.addClaim(claim);
  for (const choice of replacements.choices) left.addChoice(choice);
  return left;
}

/** Deleted refusals that counted for other people, as choices of these people, each once and without details. */
function lostRefusals({ facts, addresses, uids }: Subject, left: Facts): Choice[] {
  return peopleOf(facts).flatMap((other) => {
    const [address = ''] = other.addresses;
    if (other.uid === null ? addresses.has(address) : uids.has(other.uid)) return [];
    const origin: Origin = other.uid === null ? { kind: 'address', key: address } : { kind: 'account', key: other.uid };
    const kept = new Set([...attributedChoices(left, other).keys()].map(contentOf));
    const lost = new Map<string, Choice>();
    for (const choice of attributedChoices(facts, other).keys()) {
      if (!isRefusal(choice) || kept.has(contentOf(choice))) continue;
      lost.set(contentOf(choice), { ...choice, ...NO_DETAILS, origin });
    }
    return [...lost.values()];
  });
}

const contentOf = (choice: Choice): string => `${choice.act} ${choiceKey(choice)}`;

const pseudonymiseMerge = (merge: UndoneMerge, pseudonyms: Pseudonyms): UndoneMerge => ({
  ...merge,
  uid: pseudonyms.account.get(merge.uid) ?? merge.uid,
  claimant: pseudonyms.account.get(merge.claimant ?? '') ?? merge.claimant,
  addresses: merge.addresses.filter((address) => !pseudonyms.address.has(address)),
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
