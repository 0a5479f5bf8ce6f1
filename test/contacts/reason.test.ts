/** **A reason may come later**: it is shown with the latest refusal at or before it, in any order of arrival. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { Facts } from '../../src/contacts/facts/facts';
import { type Person, peopleOf } from '../../src/contacts/identity/ownership';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { shownText } from '../../src/contacts/profile/canonical';
import { consentOf } from '../../src/contacts/profile/consent';
import { type ContactView, contactView } from '../../src/contacts/profile/contact-view';
import { planErasure } from '../../src/operations/erase/plan';
import { acct, addressOf, at, because, del, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { history, permutations, shuffledBatches } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const numRuns = Number(process.env.HISTORIES ?? 1_000);

const personAt = (facts: Facts, name: string): Person =>
  peopleOf(facts).find(({ addresses }) => addresses.includes(addressOf(name).key)) as Person;
const viewIn = (facts: Facts, name: string): ContactView => contactView(facts, personAt(facts, name));

/** The reason shown with each newsletter, and with the opt-out, in every order of arrival. */
function reasonsAt(name: string, ...events: ContactEvent[]): Record<string, string | null> {
  const found = [...permutations(events)].map((order) => {
    const { newsletters, optOut } = viewIn(factsOf(order), name);
    const byName = [...newsletters].map(([newsletter, { details }]) => [newsletter, details.reason]);
    return Object.fromEntries([...byName, ...(optOut ? [['all email', optOut.reason]] : [])]);
  });
  for (const each of found) expect(each).toEqual(found[0]);
  return found[0];
}

describe('a reason that comes after an unsubscription', () => {
  it('is shown with the latest refusal of its newsletter at or before it', () => {
    const left = [unsub('a', ['x', 'y'], 2), unsub('a', ['x'], 5)];
    expect(reasonsAt('a', ...left, because('a', 'why', ['x'], 6))).toEqual({ x: 'why', y: null });
    expect(reasonsAt('a', ...left, because('a', 'why', ['x'], 5))).toEqual({ x: 'why', y: null });
    expect(reasonsAt('a', ...left, because('a', 'why', ['x', 'y'], 4))).toEqual({ x: null, y: 'why' });
    expect(reasonsAt('a', ...left, because('a', 'why', ['x', 'y'], 1))).toEqual({ x: null, y: null });
  });

  it('without newsletters is about whatever was refused last', () => {
    expect(reasonsAt('a', optout('a', 2), because('a', 'why', [], 3))).toEqual({ 'all email': 'why' });
    expect(reasonsAt('a', unsub('a', ['x'], 1), unsub('a', ['y'], 2), because('a', 'why', [], 3))).toEqual({
      ...{ x: null, y: 'why' },
    });
    const events = [signup('a', ['x', 'y'], 1), exactly('a', ['y'], 2), because('a', 'why', [], 3)];
    expect(reasonsAt('a', ...events)).toEqual({ x: 'why', y: null });
  });

  it('comes before the reason of the refusal itself, and a later one before an earlier one', () => {
    const left = { ...unsub('a', ['x'], 2), reason: 'own' };
    expect(reasonsAt('a', left)).toEqual({ x: 'own' });
    expect(reasonsAt('a', left, because('a', 'b', ['x'], 4), because('a', 'z', [], 3))).toEqual({ x: 'b' });
    expect(reasonsAt('a', left, because('a', 'b', ['x'], 3), because('a', 'c', [], 3))).toEqual({ x: 'c' });
  });

  it('is not a refusal, and gives no state', () => {
    const { newsletters, optedOut } = viewIn(factsOf([signup('a', ['x'], 1), because('a', 'why', ['x', 'y'], 2)]), 'a');
    expect([[...newsletters.keys()], newsletters.get('x')?.state, optedOut]).toEqual([['x'], 'subscribed', false]);
  });

  it('says nothing of a newsletter that its reader chose again', () => {
    const events = [unsub('a', ['x'], 1), signup('a', ['x'], 2), because('a', 'why', ['x'], 3)];
    expect(reasonsAt('a', ...events)).toEqual({ x: null });
  });

  it('follows the person to the next account, with the refusal', () => {
    const events = [acct('u1', 'a', 1), optout('a', 2), because('a', 'why', [], 3), del('u1', 4), acct('u2', 'a', 5)];
    expect(reasonsAt('a', ...events)).toEqual({ 'all email': 'why' });
  });

  it('is listed with the consent, whether it explains something or not', () => {
    const events = [unsub('a', ['x'], 2), because('a', 'why', ['x'], 4), because('a', 'old', ['x'], 3)];
    const facts = factsOf([...events, because('a', 'of nothing', ['y'], 5)]);
    const reasons = consentOf(facts, personAt(facts, 'a')).filter(({ act }) => act === 'reason');
    expect(reasons.map(({ reason, why, counts }) => [reason, why, counts])).toEqual([
      ['old', 'superseded', false],
      ['why', 'explains', true],
      ['of nothing', 'explains_nothing', false],
    ]);
  });
});

describe('a reason by token', () => {
  const tokenOf = (store: MemoryStore, u: string): string =>
    store.liveToken(store.accountRows.get(uidOf(u)) as string) as string;
  const received = (...events: ContactEvent[]): MemoryStore => {
    const store = new MemoryStore();
    for (const event of events) store.apply([event]);
    return store;
  };

  it('is kept in the account alone, live or deleted, so that no other mailbox has it after an undo', () => {
    const store = received(acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3));
    const token = tokenOf(store, 'u');
    store.apply([unsub({ token }, ['x'], 4), because({ token }, 'mine', ['x'], 5)]);
    store.apply([store.undoOf(store.merges[0] as MergePlan, at(9))]);
    expect(viewIn(store.facts, 'b').newsletters.get('x')).toMatchObject({
      ...{ state: 'unsubscribed', details: { reason: null } },
    });
    expect([...store.facts.choicesAt({ kind: 'account', key: uidOf('u') })].map(({ reason }) => reason)).toContain(
      'mine',
    );
    store.apply([del('u', 10), because({ token: tokenOf(store, 'u') }, 'still mine', [], 11)]);
    expect([...store.facts.choicesAt({ kind: 'account', key: uidOf('u') })].at(-1)?.reason).toBe('still mine');
  });

  it('is kept at the address of a contact without an account', () => {
    const store = received(signup('a', ['x'], 1));
    const token = store.liveToken(store.addressRows.get(addressOf('a').key) as string) as string;
    store.apply([unsub({ token }, ['x'], 2), because({ token }, 'mine', [], 3)]);
    expect(viewIn(store.facts, 'a').newsletters.get('x')?.details.reason).toBe('mine');
  });
});

it('an erasure leaves no reason of its person, in the account or at an address, and a successor keeps the refusal', () => {
  const store = new MemoryStore();
  for (const event of [
    acct('u1', 'a', 1),
    acct('u1', 'b', 1),
    optout('b', 2),
    because('b', 'secret', [], 3),
    del('u1', 4),
  ])
    store.apply([event]);
  store.apply([acct('u2', 'a', 5)]);
  expect(viewIn(store.facts, 'a').optOut).toEqual({ at: at(2), reason: 'secret' });
  let n = 0;
  const newName = () => `name-${String(n++).padStart(3, '0')}`;
  const erased = personAt(store.facts, 'b');
  const { left } = planErasure(store.facts, erased, { now: at(9), newName, merges: new Set() });
  expect(viewIn(left, 'a').optOut).toEqual({ at: at(2), reason: null });
  const own = planErasure(store.facts, personAt(store.facts, 'a'), { now: at(9), newName, merges: new Set() });
  expect(own.uids).toContain(uidOf('u2'));
});

describe(`generated histories with reasons (SEED=${seed})`, () => {
  const shown = (facts: Facts): string[] =>
    peopleOf(facts)
      .map((person) => shownText(contactView(facts, person)))
      .sort();

  it(
    'show the same in any order, with any repetition, in any batches, down to every detail',
    () => {
      fc.assert(
        fc.property(
          history(18).chain((events) => fc.tuple(fc.constant(events), shuffledBatches(events))),
          ([events, batches]) => {
            const store = new MemoryStore();
            for (const batch of batches) store.apply(batch);
            expect(shown(store.facts)).toEqual(shown(factsOf(events)));
          },
        ),
        { numRuns, seed },
      );
    },
    60_000 + 10 * numRuns,
  );
});
