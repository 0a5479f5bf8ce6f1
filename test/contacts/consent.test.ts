/** The consent ledger gives every choice one reason, and the contact view's states follow from these reasons. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import {
  type Choice,
  Facts,
  followsPerson,
  isRefusal,
  originKey,
  type UndoneMerge,
} from '../../src/contacts/facts/facts';
import { isRefusedBy } from '../../src/contacts/facts/refused';
import { addressesOwnedBy, ownerOf, type Person, peopleOf, periodsOf } from '../../src/contacts/identity/ownership';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { consentOf, type LedgerEntry } from '../../src/contacts/profile/consent';
import { contactView } from '../../src/contacts/profile/contact-view';
import { acct, addressOf, at, confirm, del, EPOCH, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { history } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';

function personAt(facts: Facts, name: string): Person {
  const address = addressOf(name).key;
  const uid = ownerOf(facts, address);
  return { uid, addresses: uid === null ? [address] : addressesOwnedBy(facts, uid) };
}
const accountOf = (facts: Facts, name: string): Person => ({
  uid: uidOf(name),
  addresses: addressesOwnedBy(facts, uidOf(name)),
});
const nameOf = (key: string): string =>
  key.includes('@') ? key.replace('@mail.test', '') : Buffer.from(key, 'hex').toString().replaceAll('\0', '');

/** `2 subscribe x at a: decides`, followed by `via` unless it is `own`. */
function lineOf({ at, act, newsletter, origin, why, via, counts }: LedgerEntry): string {
  const what = `${(at - EPOCH) / 1000} ${act}${newsletter && ` ${newsletter}`}`;
  const where = origin === null ? '' : ` at ${nameOf(origin.key)}`;
  return `${what}${where}: ${counts ? '' : 'not, '}${why}${via === 'own' ? '' : ` (${via})`}`;
}
const ledger = (name: string, ...events: ContactEvent[]): string[] => {
  const facts = factsOf(events);
  return consentOf(facts, personAt(facts, name)).map(lineOf);
};
const ledgerOfAccount = (name: string, ...events: ContactEvent[]): string[] => {
  const facts = factsOf(events);
  return consentOf(facts, accountOf(facts, name)).map(lineOf);
};

const withoutKey = (line: string): string => line.replace(/set {2}set \S+/, 'set');

const proven = { optin: true };

describe('a choice about a newsletter', () => {
  it('decides if it is the latest; an earlier one is superseded', () => {
    expect(ledger('a', signup('a', ['x'], 1), unsub('a', ['x'], 2), signup('a', ['y'], 2))).toEqual([
      '1 subscribe x at a: not, superseded',
      '2 unsubscribe x at a: decides',
      '2 subscribe y at a: decides',
    ]);
  });

  it('loses to a refusal at the same time, at whichever of the addresses each was made', () => {
    expect(ledger('a', acct('u', 'a', 0), acct('u', 'b', 9), signup('a', ['x'], 2), unsub('b', ['x'], 2))).toEqual([
      '2 subscribe x at a: not, refusal_wins',
      '2 unsubscribe x at b: decides',
    ]);
  });

  it('is ended by an opt-out at its time or later', () => {
    expect(ledger('a', acct('u', 'a', 0), acct('u', 'b', 9), signup('b', ['x'], 2, proven), optout('a', 2))).toEqual([
      '2 opt_out at a: stands',
      '2 subscribe x at b: not, ended_by_opt_out',
    ]);
  });

  it('does not take effect if it is made while opted out, without proof', () => {
    expect(ledger('a', optout('a', 1), signup('a', ['x'], 2))).toEqual([
      '1 opt_out at a: stands',
      '2 subscribe x at a: not, unproven_while_opted_out',
    ]);
  });

  it('takes effect with a confirmation at its own address, even if an earlier one elsewhere lifted the opt-out', () => {
    const events = [acct('u', 'a', 0), acct('u', 'b', 9), optout('a', 1), signup('b', ['x'], 2), confirm('a', 3)];
    expect(ledger('a', ...events)).toEqual([
      '1 opt_out at a: ends',
      '2 subscribe x at b: not, unproven_while_opted_out',
      '3 confirm at a: lifts',
    ]);
    expect(ledger('a', ...events, confirm('b', 4))).toEqual([
      '1 opt_out at a: not, lifted',
      '2 subscribe x at b: decides',
      '3 confirm at a: lifts',
      '4 confirm at b: confirms',
    ]);
  });
});

describe('a set', () => {
  it('decides if it is the latest about a newsletter that it refuses', () => {
    expect(ledger('a', signup('a', ['x', 'y'], 1), exactly('a', ['y'], 2)).map(withoutKey)).toEqual([
      '1 subscribe x at a: not, superseded',
      '1 subscribe y at a: not, superseded',
      '2 set at a: decides',
      '2 subscribe y at a: decides',
    ]);
  });

  it('is superseded once all that it refuses is chosen again, and refuses nothing where nothing else is known', () => {
    expect(ledger('a', signup('a', ['x'], 1), exactly('a', [], 2), signup('a', ['x'], 3)).map(withoutKey)).toEqual([
      '1 subscribe x at a: not, superseded',
      '2 set at a: not, superseded',
      '3 subscribe x at a: decides',
    ]);
    expect(ledger('a', exactly('a', ['x'], 2)).map(withoutKey)).toEqual([
      '2 set at a: not, refuses_nothing',
      '2 subscribe x at a: decides',
    ]);
  });

  it('leaves no proof in a sign-up of its time that it does not list', () => {
    const events = [optout('a', 1), signup('a', ['x'], 2, proven), exactly('a', ['y'], 2), confirm('a', 2)];
    expect(ledger('a', ...events).map(withoutKey)).toEqual([
      '1 opt_out at a: ends',
      '2 confirm at a: lifts',
      '2 set at a: decides',
      '2 subscribe x at a: not, refusal_wins',
      '2 subscribe y at a: not, unproven_while_opted_out',
    ]);
  });
});

describe('an opt-out', () => {
  it('stands until a proven act lifts it; what it ended stays ended', () => {
    expect(ledger('a', optout('a', 1), confirm('a', 2))).toEqual([
      '1 opt_out at a: not, lifted',
      '2 confirm at a: lifts',
    ]);
    expect(ledger('a', signup('a', ['x'], 1), optout('a', 2), confirm('a', 3))).toEqual([
      '1 subscribe x at a: not, ended_by_opt_out',
      '2 opt_out at a: ends',
      '3 confirm at a: lifts',
    ]);
  });

  it('is superseded by a later one, unless it was lifted in between', () => {
    expect(ledger('a', optout('a', 1), optout('a', 2), confirm('a', 3), optout('a', 4))).toEqual([
      '1 opt_out at a: not, superseded',
      '2 opt_out at a: not, lifted',
      '3 confirm at a: confirms',
      '4 opt_out at a: stands',
    ]);
  });

  it('ends earlier subscriptions, also if it is repeated later', () => {
    expect(ledger('a', signup('a', ['x'], 1), optout('a', 2), optout('a', 3))).toEqual([
      '1 subscribe x at a: not, ended_by_opt_out',
      '2 opt_out at a: ends',
      '3 opt_out at a: stands',
    ]);
  });

  it('is lifted by a proven subscription even if a refusal at the same time or later ends that subscription', () => {
    const both = [acct('u', 'a', 0), acct('u', 'b', 9), optout('a', 1), signup('a', ['x'], 2, proven)];
    for (const refusal of [2, 3]) {
      expect(ledger('a', ...both, unsub('b', ['x'], refusal))).toEqual([
        '1 opt_out at a: not, lifted',
        '2 subscribe x at a: lifts',
        `${refusal} unsubscribe x at b: decides`,
      ]);
    }
  });

  it('is lifted by the first proof only; a second one confirms', () => {
    expect(ledger('a', optout('a', 1), confirm('a', 2), confirm('a', 3))).toEqual([
      '1 opt_out at a: not, lifted',
      '2 confirm at a: lifts',
      '3 confirm at a: confirms',
    ]);
  });

  it('is not lifted by an unproven choice at the time of the lifting proof', () => {
    const events = [acct('u', 'a', 0), acct('u', 'b', 9), optout('a', 1), confirm('a', 2), signup('b', ['x'], 2)];
    expect(ledger('a', ...events, confirm('b', 2, false), unsub('b', ['x'], 3))).toEqual([
      '1 opt_out at a: not, lifted',
      '2 confirm at a: lifts',
      '2 confirm at b: not, unproven',
      '2 subscribe x at b: not, superseded',
      '3 unsubscribe x at b: decides',
    ]);
  });

  it('that does not exist is not lifted: the proof then decides or confirms', () => {
    expect(ledger('a', signup('a', ['x'], 1, proven), unsub('a', ['x'], 2), confirm('a', 3))).toEqual([
      '1 subscribe x at a: not, superseded',
      '2 unsubscribe x at a: decides',
      '3 confirm at a: confirms',
    ]);
  });

  it('is not lifted by a confirmation without proof', () => {
    expect(ledger('a', optout('a', 1), confirm('a', 2, false))).toEqual([
      '1 opt_out at a: stands',
      '2 confirm at a: not, unproven',
    ]);
  });
});

describe('attribution of a choice', () => {
  const moved = [acct('u1', 'a', 1), unsub('a', ['x'], 2), acct('u2', 'a', 5), signup('a', ['x'], 6)];

  it('goes by ownership periods: a choice in another account’s period does not count, on either side', () => {
    expect(ledger('a', ...moved)).toEqual([
      '2 unsubscribe x at a: not, not_their_period (null)',
      '6 subscribe x at a: decides',
    ]);
    // Later choices at a lost address are not in the ledger.
    expect(ledgerOfAccount('u1', ...moved)).toEqual(['2 unsubscribe x at a: decides']);
  });

  it('withholds the details of a choice made in another account’s period', () => {
    const more = { optin: true, profile: { lang: 'fr', format: 'H' as const } };
    const theirs = { ...signup('a', ['x'], 2, more), source: 'https://site.test/', reason: 'mine' };
    const facts = factsOf([acct('u1', 'a', 1), theirs, acct('u2', 'a', 5)]);
    expect(consentOf(facts, accountOf(facts, 'u1'))).toMatchObject([
      { source: 'https://site.test/', lang: 'fr', format: 'H', reason: 'mine', via: 'own' },
    ]);
    expect(consentOf(facts, accountOf(facts, 'u2'))).toEqual([
      {
        origin: { kind: 'address', key: addressOf('a').key },
        newsletter: 'x',
        at: at(2),
        act: 'subscribe',
        proven: true,
        source: null,
        lang: null,
        format: null,
        reason: null,
        fields: null,
        counts: false,
        why: 'not_their_period',
        via: null,
      },
    ]);
  });

  it('ends with the deletion of the account it was made in, unless it is a refusal', () => {
    const events = [acct('u', 'a', 1, { newsletters: ['x'] }), signup('a', ['y'], 2), optout('a', 3), del('u', 4)];
    expect(ledger('a', ...events)).toEqual([
      '1 subscribe x at u: not, account_deleted',
      '2 subscribe y at a: not, ended_by_opt_out',
      '3 opt_out at a: stands',
    ]);
  });

  it('is inherited with its period by the next account; refusals of the deleted account follow from every address', () => {
    const before = [acct('u1', 'a', 1, { newsletters: ['in'] }), acct('u1', 'b', 1), signup('a', ['x'], 2)];
    const events = [...before, unsub('b', ['y'], 3), signup('b', ['z'], 3), del('u1', 4), acct('u2', 'a', 5)];
    expect(ledger('a', ...events)).toEqual([
      '1 subscribe in at u1: not, account_deleted (predecessor)',
      '2 subscribe x at a: decides (predecessor)',
      '3 unsubscribe y at b: decides (predecessor)',
    ]);
    expect(ledger('b', ...events)).toEqual([
      '1 subscribe in at u1: not, account_deleted',
      '3 unsubscribe y at b: decides',
      '3 subscribe z at b: decides',
    ]);
  });

  it('is listed once if it is a refusal by token, with the details that only the account has', () => {
    const store = new MemoryStore();
    for (const event of [acct('u', 'a', 1), acct('u', 'b', 2), signup('b', ['x'], 3)]) store.apply([event]);
    const token = store.liveToken(store.accountRows.get(uidOf('u')) as string) as string;
    store.apply([{ ...unsub({ token }, ['x'], 4), reason: 'mine' }, unsub('a', ['x'], 4), unsub('a', ['x'], 5)]);
    const entries = consentOf(store.facts, personAt(store.facts, 'a'));
    expect(entries.map(lineOf)).toEqual([
      '3 subscribe x at b: not, superseded',
      '4 unsubscribe x at u: not, superseded',
      '5 unsubscribe x at a: decides',
    ]);
    expect(entries[1]?.reason).toBe('mine');
  });

  it('counts for both sides of an undone merge if it is an opt-out made while merged, without the other side’s origin', () => {
    const store = new MemoryStore();
    for (const event of [acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3)]) store.apply([event]);
    const [merge] = store.merges as [MergePlan];
    store.apply([optout({ token: merge.tokenKept as string }, 4), signup('a', ['y'], 4), optout('b', 5)]);
    store.apply([store.undoOf(merge, at(6))]);
    const { facts } = store;
    expect(consentOf(facts, personAt(facts, 'b')).map(lineOf)).toEqual([
      '2 subscribe x at b: not, ended_by_opt_out',
      '4 opt_out at b: ends',
      '5 opt_out at b: stands',
    ]);
    expect(consentOf(facts, personAt(facts, 'a')).map(lineOf)).toEqual([
      '4 opt_out at u: ends',
      '4 subscribe y at a: not, ended_by_opt_out',
      '5 opt_out: stands (undone_merge)',
    ]);
  });
});

const numRuns = Number(process.env.HISTORIES ?? 1_000);
const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);

const uid = fc.constantFrom(...['u1', 'u2', 'u3', 'u4'].map(uidOf));
const address = fc.constantFrom(...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => addressOf(name).key));
/** Any accounts, addresses and times, more varied than real merges. */
const undoneMerge: fc.Arbitrary<Omit<UndoneMerge, 'mergeId'>> = fc
  .record({
    uid,
    claimant: fc.option(uid),
    addresses: fc.uniqueArray(address, { minLength: 1, maxLength: 2 }),
    from: fc.integer({ min: 0, max: 12 }),
    lasted: fc.integer({ min: 0, max: 8 }),
  })
  .filter((merge) => merge.uid !== merge.claimant)
  .map(({ from, lasted, ...merge }) => ({ ...merge, from: at(from), until: at(from + lasted) }));

function factsWith(events: ContactEvent[], undone: Omit<UndoneMerge, 'mergeId'>[]): Facts {
  const facts = factsOf(events);
  for (const [i, merge] of undone.entries()) {
    for (const moved of merge.addresses) facts.addBlock({ uid: merge.uid, address: moved, since: merge.from - 1 });
    facts.addUndone({ ...merge, mergeId: `m${i}` });
  }
  return facts;
}

/** Copies of a refusal are listed once. */
const contentOf = ({ act, newsletter, at }: Pick<Choice, 'act' | 'newsletter' | 'at'>): string =>
  [act, newsletter, at].join(' ');
const keyOf = (choice: Pick<Choice, 'origin' | 'newsletter' | 'at'>): string =>
  [originKey(choice.origin), choice.newsletter, choice.at].join(' ');
const hasOrigin = (entry: LedgerEntry): entry is LedgerEntry & Choice => entry.origin !== null;

const isName = (newsletter: string): boolean => newsletter !== '' && !newsletter.startsWith(' ');
const refuses = ({ refused }: Pick<LedgerEntry, 'refused'>, name: string): boolean =>
  refused !== undefined && isRefusedBy(refused, name);

/** A person's states, derived from the reasons alone. */
function statesBy(facts: Facts, entries: LedgerEntry[], person: Person): string {
  const attributed = entries.filter(({ why }) => why !== 'not_their_period' && why !== 'account_deleted');
  const names = [...new Set(attributed.map(({ newsletter }) => newsletter))].filter(isName).sort();
  const deciding = (name: string): LedgerEntry[] => {
    const about = attributed.filter((entry) => entry.newsletter === name || refuses(entry, name));
    const last = Math.max(...about.map((entry) => entry.at));
    return about.filter(({ at, why }) => at === last && why === 'decides');
  };
  const actOf = (name: string): string =>
    [...new Set(deciding(name).map(({ act }) => (act === 'set' ? 'unsubscribe' : act)))].join(' and ');
  // A set at the origin and time of a sign-up that it does not list leaves no proof in it.
  const isUndone = ({ origin, newsletter, at }: LedgerEntry): boolean =>
    origin !== null && [...facts.choicesAt(origin)].some((other) => other.at === at && refuses(other, newsletter));
  const isProof = (entry: LedgerEntry): boolean =>
    entry.proven && (entry.act === 'confirm' || (entry.act === 'subscribe' && !isUndone(entry)));
  return show({
    newsletters: names.map((name) => [name, actOf(name) === 'subscribe' ? 'subscribed' : 'unsubscribed']),
    contradictions: names.filter((name) => actOf(name).includes('and')),
    optedOut: entries.some(({ why }) => why === 'stands'),
    doubleOptIn: (person.uid !== null && person.addresses.length > 0) || attributed.some(isProof),
  });
}

/** Text, because comparing values with `expect` is slow. */
const show = (states: object): string => JSON.stringify(states);

function statesOf(facts: Facts, person: Person, doubleOptIn?: boolean): string {
  const view = contactView(facts, person);
  return show({
    newsletters: [...view.newsletters].map(([name, { state }]) => [name, state]),
    contradictions: [],
    optedOut: view.optedOut,
    doubleOptIn: doubleOptIn ?? view.doubleOptIn,
  });
}

/** The person's account and its predecessors, derived from the periods alone. */
function familyOf(facts: Facts, { uid }: Person): Set<string> {
  const family = new Set(uid === null ? [] : [uid]);
  const periods = [...facts.addresses.keys()].map((address) => periodsOf(facts, address));
  for (let size = -1; size !== family.size; ) {
    size = family.size;
    for (const [before, after] of periods.flatMap((list) =>
      list.slice(1).map((period, i) => [list[i], period] as const),
    )) {
      if (before?.inherited && family.has((after as { uid: string }).uid)) family.add(before.uid);
    }
  }
  return family;
}

/**
 * The facts without a person's uncounted choices, except those whose only effect is an `unsubscribed` state. A set gives none to
 * a newsletter without another choice.
 */
function withoutUncounted(facts: Facts, entries: LedgerEntry[]): Facts {
  const decided = new Set(entries.flatMap(({ newsletter, why }) => (why === 'decides' ? newsletter : [])));
  const isDecidedBySet = ({ newsletter }: LedgerEntry): boolean =>
    isName(newsletter) && !decided.has(newsletter) && entries.some((entry) => refuses(entry, newsletter));
  const dropped = new Set(
    entries
      .filter(hasOrigin)
      .filter((entry) => !isDecidedBySet(entry))
      .filter(({ counts, why }) => !counts && why !== 'ended_by_opt_out' && why !== 'unproven_while_opted_out')
      .map(keyOf),
  );
  const kept = new Facts();
  for (const known of facts.addresses.values()) {
    kept.addAddress(known);
    for (const claim of facts.claimsOn(known.address)) kept.addClaim(claim);
  }
  for (const known of facts.accounts.values()) kept.addAccount(known);
  for (const merge of facts.undone) kept.addUndone(merge);
  for (const choice of allChoices(facts)) if (!dropped.has(keyOf(choice))) kept.addChoice(choice);
  return kept;
}

const allChoices = (facts: Facts): Choice[] => [
  ...[...facts.addresses.keys()].flatMap((key) => [...facts.choicesAt({ kind: 'address', key })]),
  ...[...facts.accounts.keys()].flatMap((key) => [...facts.choicesAt({ kind: 'account', key })]),
];

/** Whether the ledger must have all choices of an origin: the person's addresses and its account. */
const has = ({ uid, addresses }: Person, { kind, key }: Choice['origin']): boolean =>
  kind === 'account' ? key === uid : addresses.includes(key);

function hasOrHad(facts: Facts, { uid, addresses }: Person, { kind, key }: Choice['origin']): boolean {
  if (kind === 'account') return key === uid;
  return addresses.includes(key) || periodsOf(facts, key).some((period) => period.uid === uid || period.owner === uid);
}

const same = (seen: string, wanted: string): void => {
  if (seen !== wanted) expect(seen).toBe(wanted);
};

describe(`generated histories (SEED=${seed})`, () => {
  const forEveryone = (name: string, look: (facts: Facts, person: Person, entries: LedgerEntry[]) => void): void => {
    const property = fc.property(history(18), fc.array(undoneMerge, { maxLength: 2 }), (events, undone) => {
      const facts = factsWith(events, undone);
      for (const person of peopleOf(facts)) look(facts, person, consentOf(facts, person));
    });
    it(name, () => fc.assert(property, { numRuns, seed }), 30_000 + 10 * numRuns);
  };

  forEveryone(
    'give each choice the reason from which the states of the contact view follow',
    (facts, person, entries) => {
      same(statesBy(facts, entries, person), statesOf(facts, person));
    },
  );

  forEveryone('show the same without the choices that do not count', (facts, person, entries) => {
    same(statesOf(withoutUncounted(facts, entries), person, true), statesOf(facts, person, true));
  });

  forEveryone('list every choice at the person’s addresses and account, each once', (facts, person, entries) => {
    const keys = entries.filter(hasOrigin).map(keyOf);
    const known = new Set(keys);
    const refusals = new Set(entries.filter(isRefusal).map(contentOf));
    const isListed = (choice: Choice): boolean =>
      known.has(keyOf(choice)) || (isRefusal(choice) && refusals.has(contentOf(choice)));
    const missing = allChoices(facts).filter((choice) => has(person, choice.origin) && !isListed(choice));
    const times = entries.map((entry) => entry.at);
    same(show({ missing, repeated: keys.length - known.size }), show({ missing: [], repeated: 0 }));
    same(show(times), show([...times].sort((a, b) => a - b)));
  });

  forEveryone('count no choice of a stranger, and withhold its details', (facts, person, entries) => {
    const family = familyOf(facts, person);
    const wrong = entries.filter((entry) => {
      const { origin, via, counts, act, source, lang, format, reason } = entry;
      const theirs = hasOrigin(entry) && belongs(facts, person, family, entry);
      if (via === 'own' || via === 'predecessor') return counts && !theirs;
      if (theirs || [source, lang, format, reason].some((detail) => detail !== null)) return true;
      if (origin && !family.has(origin.key) && !hasOrHad(facts, person, origin)) return true;
      return via === null ? counts : act !== 'opt_out' || !whileMerged(facts, entry.at);
    });
    same(show(wrong), '[]');
  });
});

const whileMerged = (facts: Facts, time: number): boolean =>
  [...facts.undone].some(({ from, until }) => from <= time && time <= until);

/** A refusal of any account in the family; other choices in the person's live account or in a period that it owns now. */
function belongs(facts: Facts, { uid, addresses }: Person, family: Set<string>, choice: Choice): boolean {
  const { kind, key } = choice.origin;
  if (uid === null) return kind === 'address' && addresses.includes(key);
  if (kind === 'account') {
    return followsPerson(choice) ? family.has(key) : key === uid && facts.deletedAt(uid) === undefined;
  }
  const period = periodsOf(facts, key).find(({ from, until }) => from < choice.at && choice.at <= until);
  return period !== undefined && (period.owner === uid || (followsPerson(choice) && family.has(period.uid)));
}
