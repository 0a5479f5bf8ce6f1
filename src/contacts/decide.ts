/**
 * decide: (state, events) -> changes. No clock, no randomness, no I/O but what is passed in.
 *
 * The events are taken one after the other, as if each came alone; what they change is told once, at the end.
 */
import type { Command, ReleaseCommand, UnblockCommand } from './command';
import type { Contact, Directory, RetiredToken, StoredToken } from './directory';
import type { ClaimEvent, ContactEvent, NewsletterEvent, Time } from './event';
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
import { followClaim, followDeletion, followNewAddress, takes, type World } from './follow';
import type { MergePlan } from './merge';
import { erasOf, primaryOf } from './ownership';
import { accountFacts, addressFacts, choicesOf, claimOf } from './record';
import type { TokenPolicy } from './tokens';
import { type Undone, type UndoRefusal, undo } from './undo';
import { type Cause, type EmailChange, PrimaryWatch, type Review } from './watch';

/** What the store loaded, under locks, for all that the events may touch. `decide` consumes it. */
export interface State {
  facts: Facts;
  directory: Directory;
  /** The contact on the stored row of each address and account; for rows inserted for this batch, their candidate. */
  rows: { address: Map<string, string>; account: Map<string, string | null> };
  /** Of those, the ones that were inserted for this batch. */
  fresh: { address: Set<string>; account: Set<string> };
}

export interface Options {
  tokenPolicy: TokenPolicy;
  /** Of this account, claims that would take an address from a contact wait for a decision (observe mode). */
  observes(uid: string): boolean;
  mergeId(): string;
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

export function decide(
  state: State,
  steps: readonly (ContactEvent | Command)[],
  { tokenPolicy, observes, mergeId }: Options,
): Changes {
  const { facts, directory, rows, fresh } = state;
  const merges: MergePlan[] = [];
  const candidate: World['candidate'] = (kind, key) => {
    const id = fresh[kind].has(key) ? rows[kind].get(key) : undefined;
    return id && !directory.contacts.has(id) ? id : undefined;
  };
  const world: World = { facts, directory, merges, tokenPolicy, mergeId, candidate };
  const changed = { address: new Set<string>(), account: new Set<string>() };
  const claims: Claim[] = [];
  const standings: Claim[] = [];
  const undone: Undone[] = [];
  const unblocked: UnblockCommand[] = [];
  const uncounted = { held: 0, blocked: 0 };
  const choices = new Map<string, Choice>();
  const unknownTokens: number[] = [];
  let refusal: UndoRefusal | null = null;
  // Newsletter events move nothing.
  const watch = steps.some(({ kind }) => kind !== 'newsletter') ? new PrimaryWatch(facts, directory) : null;

  for (const [index, step] of steps.entries()) {
    switch (step.kind) {
      case 'claim':
        claimed(step);
        look(step.uid, step);
        break;
      case 'deletion':
        if (learnAccount({ uid: step.uid, deletedAt: step.at })) followDeletion(world, step);
        look(step.uid, step);
        break;
      case 'newsletter':
        if (!newsletter(step)) unknownTokens.push(index);
        break;
      case 'release':
        recount(step, facts.settleClaims(step.uid, step.address, 'counted', isHeld));
        break;
      case 'unblock':
        unblocked.push(step);
        recount(step, facts.forgetBlock(step.uid, step.address));
        break;
      case 'undo': {
        const result = undo(world, step);
        if (typeof result === 'string') {
          refusal = result;
        } else {
          undone.push(result);
          standings.push(...result.claims);
        }
        look(step.merge.uid, null);
        break;
      }
    }
  }
  return summary();

  function claimed(event: ClaimEvent): void {
    const { uid, trigger, at } = event;
    const address = event.address.key;
    learnAddress(addressFacts(event.address, at));
    learnAccount(accountFacts(event));
    const news = facts.learnClaim(claimOf(event));
    const claim = facts.claim({ address, uid, at }) as Claim;
    if (news && observes(uid) && takes(world, claim)) {
      facts.settleClaims(uid, address, 'held', (known) => known === claim);
    }
    if (claim.standing !== 'counted') uncounted[claim.standing] += 1;
    followClaim(world, { uid, address, trigger, at });
    if (news) {
      claims.push(claim);
      mark(directory.ofAccount(uid));
    }
    learnChoices(choicesOf(event));
  }

  /** Claims that count from now on: as if the last of them had just come. */
  function recount({ uid, address }: ReleaseCommand | UnblockCommand, released: Claim[]): void {
    standings.push(...released);
    const last = released.reduce<Claim | null>((a, b) => (a && a.at > b.at ? a : b), null);
    if (!last) return;
    const trigger = { source: 'fxa' as const, event: last.event, id: last.eventId };
    followClaim(world, { uid, address, trigger, at: last.at });
    mark(directory.ofAccount(uid));
    look(uid, { trigger, at: last.at });
  }

  function look(uid: string, cause: Cause): void {
    watch?.look([directory.ofAccount(uid), ...directory.moved], cause && { trigger: cause.trigger, at: cause.at });
    directory.moved.clear();
  }

  function newsletter(event: NewsletterEvent): boolean {
    if ('address' in event.to) {
      const { address } = event.to;
      followNewAddress(world, address.key);
      learnAddress(addressFacts(address, event.at, event.profile));
      learnChoices(choicesOf(event, { kind: 'address', key: address.key }));
      return true;
    }
    const contact = directory.ofToken(event.to.token);
    if (!contact) return false;
    const uid = directory.accountOf(contact);
    const live = uid !== null && facts.deletedAt(uid) === undefined;
    const address = uid === null ? directory.addressesOf(contact)[0] : (primaryOf(facts, uid) ?? undefined);
    const typed = address === undefined ? undefined : facts.addresses.get(address)?.typed.value;
    // A profile is kept at an address: the one that the reader has, if it was theirs at the time.
    if (address !== undefined && typed !== undefined && (uid === null || ownedThen(address, uid, event.at))) {
      learnAddress(addressFacts({ key: address, typed }, Number.NEGATIVE_INFINITY, event.profile, event.at));
    }
    const origin: Origin = live ? { kind: 'account', key: uid } : { kind: 'address', key: address as string };
    learnChoices(choicesOf(event, origin));
    return true;
  }

  function ownedThen(address: string, uid: string, at: Time): boolean {
    return erasOf(facts, address).some((era) => era.owner === uid && era.from < at && at <= era.until);
  }

  function learnAddress(news: AddressFacts): void {
    if (!facts.learnAddress(news)) return;
    changed.address.add(news.address);
    mark(directory.ofAddress(news.address));
  }

  function learnAccount(news: AccountFacts): boolean {
    if (!facts.learnAccount(news)) return false;
    changed.account.add(news.uid);
    mark(directory.ofAccount(news.uid));
    return true;
  }

  function learnChoices(made: Choice[]): void {
    for (const choice of made) {
      const key = `${originKey(choice.origin)}\u0000${choiceKey(choice)}`;
      const known = choices.get(key);
      choices.set(key, known ? mergeChoices(known, choice) : choice);
    }
  }

  function summary(): Changes {
    const rootOf = (id: string): Contact => {
      const contact = directory.contacts.get(id) as Contact;
      return contact.mergedInto ? (directory.contacts.get(contact.mergedInto) as Contact) : contact;
    };
    const contactOf = ({ kind, key }: Origin): Contact | null =>
      kind === 'address' ? directory.ofAddress(key) : directory.ofAccount(key);
    const differs = (kind: Origin['kind']) => (key: string) =>
      changed[kind].has(key) || (contactOf({ kind, key })?.id ?? null) !== rows[kind].get(key);
    const named = new Set(merges.flatMap((merge) => [merge.survivorId, merge.retiredId]));
    const contacts = [...directory.contacts.values()];
    const created = contacts.filter((contact) => !contact.known && (contact.state === 'live' || named.has(contact.id)));
    const kept = contacts.filter((contact) => contact.state === 'live' && contact.token !== null);
    const revived = new Set(directory.revivedTokens.map(({ id }) => id));
    const tokens = kept
      .map((contact) => ({ ...(contact.token as NonNullable<Contact['token']>), contactId: contact.id }))
      .filter(({ id }) => !revived.has(id));
    return {
      addresses: [...rows.address.keys()].filter(differs('address')).map((address) => ({
        facts: facts.addresses.get(address) as AddressFacts,
        contactId: (directory.ofAddress(address) as Contact).id,
      })),
      accounts: [...rows.account.keys()]
        .filter(differs('account'))
        .map((uid) => ({ uid, contactId: directory.ofAccount(uid)?.id ?? null })),
      claims,
      standings,
      choices: [...choices.values()],
      contactOfOrigin: new Map([...choices.values()].map(({ origin }) => [originKey(origin), contactOf(origin)?.id])),
      contacts: { created, changed: contacts.filter((contact) => contact.known && contact.changed) },
      tokens: {
        issued: tokens.filter((token) => token.storedWith === null),
        moved: tokens.filter((token) => token.storedWith !== null && token.storedWith !== token.contactId),
        retired: directory.retiredTokens,
        revived: directory.revivedTokens,
      },
      // A survivor that was closed later in the batch leaves nobody to tell.
      merges: merges.map((merge) => ({
        ...merge,
        announced: merge.announced && rootOf(merge.survivorId).state === 'live',
      })),
      undone,
      unblocked,
      emailChanges: watch?.emailChanges() ?? [],
      reviews: watch?.reviews() ?? [],
      uncounted,
      unknownTokens,
      refusal,
    };
  }
}

const isHeld = (claim: Claim): boolean => claim.standing === 'held';

const mark = (contact: Contact | null): void => {
  if (contact) contact.changed = true;
};
