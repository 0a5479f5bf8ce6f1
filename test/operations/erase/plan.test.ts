/** Erasure in the pure domain: nothing names the person any more, and nobody else's view changes. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { choiceKey, type Facts } from '../../../src/contacts/facts/facts';
import { namedAddress } from '../../../src/contacts/facts/record';
import { type Person, peopleOf, periodsOf } from '../../../src/contacts/identity/ownership';
import { canonicalLine } from '../../../src/contacts/profile/canonical';
import { type ContactView, contactView } from '../../../src/contacts/profile/contact-view';
import { type ErasurePlan, planErasure } from '../../../src/operations/erase/plan';
import { addEvent } from '../../../tools/add-event';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../../support/events';
import { history } from '../../support/histories';
import { factsOf, MemoryStore } from '../../support/memory-store';

const NOW = at(100);
const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const numRuns = Number(process.env.HISTORIES ?? 1_000);

const key = (name: string): string => addressOf(name).key;
const personAt = (facts: Facts, name: string): Person =>
  peopleOf(facts).find(({ addresses }) => addresses.includes(key(name))) as Person;
const viewAt = (facts: Facts, name: string): ContactView => contactView(facts, personAt(facts, name));

let names = 0;
/** Distinct from the first characters on, as random names are. */
const newName = (): string => `${createHash('sha256').update(String(names++)).digest('hex').slice(0, 16)}-name`;
const erase = (facts: Facts, person: Person, merges: readonly string[] = []): ErasurePlan =>
  planErasure(facts, person, { now: NOW, newName, merges: new Set(merges) });

const isSomebody = ({ uid }: Person): boolean => !uid?.includes('-name');

/** All facts as text. */
function dump(facts: Facts): string {
  const accounts = [...facts.accounts.values()];
  const claims = accounts.flatMap(({ uid }) => facts.claimsBy(uid));
  const addresses = new Set([...facts.addresses.keys(), ...claims.map(({ address }) => address)]);
  const choices = [
    ...[...addresses].flatMap((address) => [...facts.choicesAt({ kind: 'address', key: address })]),
    ...accounts.flatMap(({ uid }) => [...facts.choicesAt({ kind: 'account', key: uid })]),
  ];
  return JSON.stringify([[...facts.addresses.values()], accounts, claims, choices, [...facts.undone]]);
}

describe('planErasure', () => {
  it('includes deleted predecessors of the account, except those with another successor', () => {
    const events = [
      ...[acct('u1', 'a', 1), del('u1', 2), acct('u2', 'a', 3), del('u2', 4), acct('u3', 'a', 5)],
      ...[acct('w', 'b', 1), acct('w', 'c', 1), del('w', 2), acct('u3', 'b', 5), acct('v', 'c', 5)],
    ];
    const plan = erase(factsOf(events), personAt(factsOf(events), 'a'));
    expect(plan.uids.sort()).toEqual(['u1', 'u2', 'u3'].map(uidOf));
    expect(plan.addresses).toEqual([key('a'), key('b')]);
    expect([...plan.left.accounts.keys()].filter((uid) => isSomebody({ uid, addresses: [] })).sort()).toEqual(
      ['v', 'w'].map(uidOf),
    );
  });

  it('leaves no facts of a person without connections to others', () => {
    const account = [acct('u', 'a', 1, { newsletters: ['x'] }), signup('b', ['x'], 2), acct('u', 'b', 3)];
    for (const events of [account, [signup('b', ['x'], 2), optout('b', 3)]]) {
      const facts = factsOf(events);
      const { left, replacements } = erase(facts, personAt(facts, 'b'));
      expect(dump(left)).toBe('[[],[],[],[],[]]');
      expect(replacements).toEqual({ accounts: [], claims: [], choices: [] });
    }
  });

  it('has the time of the newest erased event if that is later than now', () => {
    const ahead = [acct('u', 'a', 1), signup('a', ['x'], 1), acct('u', 'a', 1, { locale: 'de' }), del('u', 1)];
    for (const [n, event] of ahead.entries()) {
      const events = [acct('u', 'a', 1), ...ahead.map((it) => (it === event ? { ...it, at: at(200) } : it))];
      const facts = factsOf(n === 3 ? events : events.slice(0, 4));
      expect([n, erase(facts, personAt(facts, 'a')).at]).toEqual([n, at(200)]);
    }
  });

  it('keeps other people’s periods separate where the person’s period was between them', () => {
    const facts = factsOf([
      ...[acct('one', 'x', 1), acct('one', 'y', 1), signup('x', ['of-one'], 2), optout('x', 2)],
      ...[acct('middle', 'x', 3), acct('middle', 'm', 3), acct('three', 'x', 6), del('one', 5)],
    ]);
    const { left } = erase(facts, personAt(facts, 'm'));
    expect(viewAt(left, 'x')).toMatchObject({ account: uidOf('three'), optedOut: false, newsletters: new Map() });
    expect(viewAt(left, 'y').optedOut).toBe(true);
    expect(periodsOf(left, key('x')).map(({ owner }) => owner)).toEqual([
      uidOf('one'),
      expect.stringContaining('-name'),
      uidOf('three'),
    ]);
  });

  it('leaves a former owner the facts of their period, with proven acts at their addresses', () => {
    const facts = factsOf([
      ...[acct('old', 'a', 1), acct('old', 'b', 1), optout('b', 2), signup('a', ['x', 'y'], 3), unsub('a', ['y'], 4)],
      ...[confirm('b', 5), acct('new', 'a', 6), signup('a', ['z'], 7)],
    ]);
    const before = viewAt(facts, 'b');
    // The confirmation was at the other address: it begins nothing at this one.
    expect(before.newsletters.get('x')).toMatchObject({ state: 'unsubscribed', by: 'unconfirmed' });
    const { left, replacements } = erase(facts, personAt(facts, 'a'));
    expect(canonicalLine(viewAt(left, 'b'))).toBe(canonicalLine(before));
    expect(replacements.choices.map(({ newsletter }) => newsletter).sort()).toEqual(['x', 'y', 'y']);
  });

  it('turns an inherited refusal into the successor’s own, without source, language, format and reason', () => {
    const told = { source: 'https://site.test/?a', reason: 'I am Ada' };
    const facts = factsOf([
      ...[acct('u1', 'a', 1), acct('u1', 'b', 1), { ...optout('b', 2), ...told }, del('u1', 3), acct('u2', 'a', 4)],
    ]);
    const { left, replacements } = erase(facts, personAt(facts, 'b'));
    expect(viewAt(left, 'a').optedOut).toBe(true);
    expect(replacements.choices).toMatchObject([
      { origin: { kind: 'account', key: uidOf('u2') }, act: 'opt_out', source: null, reason: null },
    ]);
  });

  it('deletes the pseudonyms of earlier erasures that are no longer needed', () => {
    let facts = factsOf([
      acct('u', 'a', 1),
      acct('u', 'b', 1),
      signup('a', ['x'], 1),
      acct('v', 'a', 2),
      acct('v', 'c', 2),
    ]);
    facts = erase(facts, personAt(facts, 'c')).left;
    expect(viewAt(facts, 'b').newsletters.get('x')).toBeDefined();
    expect(facts.accounts.size).toBe(2);
    expect(dump(erase(facts, personAt(facts, 'b')).left)).toBe('[[],[],[],[],[]]');
  });
});

describe(`generated histories (SEED=${seed})`, () => {
  it(
    'people are erased, one after the other: nothing names them, every other line is the same, also when all comes again',
    () => {
      const seen = { erased: 0, exact: 0, others: 0, renamed: 0, undone: 0 };
      fc.assert(
        fc.property(history(20), fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), undos, (events, picks, undone) => {
          const store = received(events, undone);
          let { facts } = store;
          const erased = new Set<string>();
          for (const pick of picks) {
            const people = peopleOf(facts).filter(isSomebody);
            const withAddress = people.filter(({ addresses }) => addresses.length > 0);
            const person = withAddress[pick % Math.max(1, withAddress.length)];
            if (!person) return;
            const plan = erase(facts, person, mergesOf(store, person));
            for (const gone of [...plan.addresses, ...plan.uids]) erased.add(gone);
            const others = people.filter((other) => other !== person);
            expect(peopleOf(plan.left).filter(isSomebody)).toEqual(others);
            const exact = isExact(facts, plan);
            const check = (): void => {
              const text = dump(plan.left);
              expect([...erased].filter((gone) => text.includes(gone))).toEqual([]);
              expect(others.flatMap((other) => difference(facts, plan, other, exact))).toEqual([]);
            };
            check();
            for (const event of events) if (!namesAny(event, erased)) addEvent(plan.left, event);
            check();
            facts = plan.left;
            seen.erased += 1;
            seen.exact += exact ? 1 : 0;
            seen.others += others.length;
            seen.renamed += plan.replacements.claims.length > 0 ? 1 : 0;
            seen.undone += store.undone.size > 0 ? 1 : 0;
          }
        }),
        { numRuns, seed },
      );
      expect(seen.exact / seen.erased).toBeGreaterThan(0.9);
      for (const often of [seen.others, 10 * seen.renamed, 20 * seen.undone])
        expect(often).toBeGreaterThan(numRuns / 2);
    },
    60_000 + 20 * numRuns,
  );
});

/** Merges to undo, by their index in the ledger, each at a time after the events. */
const undos = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 8, max: 20 })), { maxLength: 2 });

function received(events: readonly ContactEvent[], undone: readonly [number, number][]): MemoryStore {
  const store = new MemoryStore();
  for (const event of events) store.apply([event]);
  for (const [n, t] of undone) {
    const plans = store.merges.filter(
      (plan) => !store.undone.has(plan.id) && store.look(store.undoOf(plan, at(t))) === null,
    );
    const plan = plans[n % Math.max(1, plans.length)];
    if (plan) store.apply([store.undoOf(plan, at(t))]);
  }
  return store;
}

/** Of the person's contact, and of those that were merged into it. */
function mergesOf(store: MemoryStore, { addresses }: Person): string[] {
  const root = store.addressRows.get(addresses[0] as string);
  const isTheirs = (id: string): boolean => id === root || store.contacts.get(id)?.mergedInto === root;
  return store.merges.flatMap(({ id, survivorId, retiredId }) =>
    isTheirs(survivorId) || isTheirs(retiredId) ? id : [],
  );
}

/**
 * Other lines can become stricter, and only that, where an inherited refusal and a choice of one's own are of one moment, or
 * where several merges were undone, so that an opt-out that came from one side counts for a third.
 */
function isExact(facts: Facts, plan: ErasurePlan): boolean {
  return (
    [...facts.undone].length < 2 &&
    !plan.replacements.choices.some(({ origin, ...choice }) =>
      [...facts.choicesAt(origin)].some((own) => choiceKey(own) === choiceKey(choice)),
    )
  );
}

/**
 * What another's line is, and what it should be, where these differ. A former owner of an erased address loses the
 * profile that was left there: names, country, language, format.
 */
function difference(facts: Facts, { addresses, left }: ErasurePlan, other: Person, exact: boolean): object[] {
  const lost = addresses.some((address) => periodsOf(facts, address).some(({ owner }) => owner === other.uid));
  const lineIn = (known: Facts): string =>
    canonicalLine({ ...contactView(known, other), ...(lost && { profile: {} as ContactView['profile'] }) });
  const [before, after] = [lineIn(facts), lineIn(left)];
  if (after === before) return [];
  const wanted = exact ? before : JSON.stringify(stricterOf(JSON.parse(before), JSON.parse(after)));
  return after === wanted ? [] : [{ wanted, after }];
}

interface Line {
  opted_out: boolean;
  double_opt_in: boolean;
  newsletters: Record<string, 'subscribed' | 'unsubscribed'>;
}

/** The first line, with what is stricter in the second one. */
const stricterOf = (before: Line, after: Line): Line => ({
  ...before,
  opted_out: before.opted_out || after.opted_out,
  double_opt_in: before.double_opt_in && after.double_opt_in,
  newsletters: Object.fromEntries(
    Object.entries(before.newsletters).map(([name, state]) => [
      name,
      after.newsletters[name] === 'unsubscribed' ? 'unsubscribed' : state,
    ]),
  ),
});

const namesAny = (event: ContactEvent, erased: ReadonlySet<string>): boolean =>
  erased.has(namedAddress(event)?.key ?? '') || ('uid' in event && erased.has(event.uid));
