/**
 * decide: (state, events) -> changes. No clock, no randomness, no I/O but what is passed in.
 *
 * The events are taken one after the other, as if each came alone; what they change is told once, at the end.
 */
import type { Contact, Directory, RetiredToken } from './directory';
import type { ContactEvent, NewsletterEvent, Time } from './event';
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
import { followClaim, followDeletion, followNewAddress, type World } from './follow';
import type { MergePlan } from './merge';
import { erasOf, primaryOf } from './ownership';
import { accountFacts, addressFacts, choicesOf, claimOf } from './record';
import type { TokenPolicy } from './tokens';

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
  mergeId(): string;
}

export interface Changes {
  /** Addresses and accounts whose row differs now, in facts or in contact. */
  addresses: { facts: AddressFacts; contactId: string }[];
  accounts: { uid: string; contactId: string | null }[];
  claims: Claim[];
  /** One for each key; some may be known already. */
  choices: Choice[];
  /** The contact of each origin of these choices: its version goes up if one of them is news. */
  contactOfOrigin: Map<string, string | undefined>;
  contacts: { created: Contact[]; changed: Contact[] };
  tokens: {
    issued: { id: string; contactId: string }[];
    retired: RetiredToken[];
    moved: { id: string; contactId: string }[];
  };
  merges: MergePlan[];
  /** Events that came to nothing, by their index: addressed by a token that nobody has, or whose contact was closed. */
  unknownTokens: number[];
}

export function decide(state: State, events: readonly ContactEvent[], { tokenPolicy, mergeId }: Options): Changes {
  const { facts, directory, rows, fresh } = state;
  const merges: MergePlan[] = [];
  const candidate: World['candidate'] = (kind, key) => {
    const id = fresh[kind].has(key) ? rows[kind].get(key) : undefined;
    return id && !directory.contacts.has(id) ? id : undefined;
  };
  const world: World = { facts, directory, merges, tokenPolicy, mergeId, candidate };
  const changed = { address: new Set<string>(), account: new Set<string>() };
  const claims: Claim[] = [];
  const choices = new Map<string, Choice>();
  const unknownTokens: number[] = [];

  for (const [index, event] of events.entries()) {
    switch (event.kind) {
      case 'claim': {
        learnAddress(addressFacts(event.address, event.at));
        learnAccount(accountFacts(event));
        const claim = claimOf(event);
        const news = facts.learnClaim(claim);
        if (news) claims.push(claim);
        followClaim(world, event);
        if (news) mark(directory.ofAccount(event.uid));
        learnChoices(choicesOf(event));
        break;
      }
      case 'deletion':
        if (learnAccount({ uid: event.uid, deletedAt: event.at })) followDeletion(world, event);
        break;
      case 'newsletter':
        if (!newsletter(event)) unknownTokens.push(index);
        break;
    }
  }
  return summary();

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
    const tokens = kept.map((contact) => ({
      ...(contact.token as NonNullable<Contact['token']>),
      contactId: contact.id,
    }));
    return {
      addresses: [...rows.address.keys()].filter(differs('address')).map((address) => ({
        facts: facts.addresses.get(address) as AddressFacts,
        contactId: (directory.ofAddress(address) as Contact).id,
      })),
      accounts: [...rows.account.keys()]
        .filter(differs('account'))
        .map((uid) => ({ uid, contactId: directory.ofAccount(uid)?.id ?? null })),
      claims,
      choices: [...choices.values()],
      contactOfOrigin: new Map([...choices.values()].map(({ origin }) => [originKey(origin), contactOf(origin)?.id])),
      contacts: { created, changed: contacts.filter((contact) => contact.known && contact.changed) },
      tokens: {
        issued: tokens.filter((token) => token.storedWith === null),
        moved: tokens.filter((token) => token.storedWith !== null && token.storedWith !== token.contactId),
        retired: directory.retiredTokens,
      },
      // A survivor that was closed later in the batch leaves nobody to tell.
      merges: merges.map((merge) => ({
        ...merge,
        announced: merge.announced && rootOf(merge.survivorId).state === 'live',
      })),
      unknownTokens,
    };
  }
}

const mark = (contact: Contact | null): void => {
  if (contact) contact.changed = true;
};
