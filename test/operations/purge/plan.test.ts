import { describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { purgeableComponents } from '../../../src/operations/purge/plan';
import { acct, addressOf, at, confirm, del, signup, uidOf, unsub } from '../../support/events';
import { factsOf, MemoryStore } from '../../support/memory-store';

const T = 10;
const islands = (events: ContactEvent[]) => purgeableComponents(factsOf(events), at(T));
const [a, b, c] = ['a', 'b', 'c'].map((name) => addressOf(name).key);

/** d2 succeeded d1 at a, and had b. */
const ISLAND = [acct('d1', 'a', 1), del('d1', 2), acct('d2', 'a', 3), acct('d2', 'b', 4), del('d2', 9)];

describe('an island can be forgotten', () => {
  it('when all its accounts were deleted before, and nothing but their claims is known', () => {
    expect(islands([...ISLAND, acct('e', 'c', 1), del('e', 2), acct('live', 'z', 1)])).toEqual([
      { addresses: [a, b], uids: ['d1', 'd2'].map(uidOf).sort() },
      { addresses: [c], uids: [uidOf('e')] },
    ]);
  });

  it('with claims that do not count: made after the deletion', () => {
    expect(islands([del('d', 1), acct('d', 'a', 2)])).toEqual([{ addresses: [a], uids: [uidOf('d')] }]);
  });

  it('not when it is empty: a deleted account that never claimed anything', () => {
    expect(islands([del('d', 1)])).toEqual([]);
  });

  it.each<[string, ContactEvent[]]>([
    ['an account lives', [...ISLAND, acct('live', 'a', 0.5)]],
    [
      'an account that is connected at any distance lives',
      [...ISLAND, acct('x', 'b', 2), acct('x', 'c', 2), acct('live', 'c', 3), del('x', 5)],
    ],
    ['an account was deleted at the very time', [acct('d', 'a', 1), del('d', T)]],
    ['there is a choice at an address', [...ISLAND, unsub('a', ['x'], 1)]],
    ['there is a confirmation at an address', [...ISLAND, confirm('b', 1)]],
    ['a profile field is known, be it a cleared one', [...ISLAND, signup('b', [], 1, { profile: { lang: null } })]],
    ['a claim is of the very time', [...ISLAND, acct('d2', 'b', T)]],
    ['a sign-up of the very time named an address', [...ISLAND, signup('b', [], T)]],
  ])('not when %s', (_, events) => {
    expect(islands(events)).toEqual([]);
  });

  it('not when there is a refusal in an account; what else was chosen in it is no matter', () => {
    const facts = factsOf([acct('d', 'a', 1, { newsletters: ['x'] }), del('d', 2)]);
    expect(purgeableComponents(facts, at(T))).toHaveLength(1);
    const choice = {
      newsletter: 'x',
      at: at(1),
      act: 'unsubscribe',
      proven: false,
      source: null,
      lang: null,
      format: null,
      reason: null,
    } as const;
    facts.addChoice({ ...choice, origin: { kind: 'account', key: uidOf('d') } });
    expect(purgeableComponents(facts, at(T))).toEqual([]);
  });

  it('not when a claim waits for a decision', () => {
    const store = new MemoryStore('address', (uid) => uid === uidOf('e'));
    for (const event of [acct('d', 'a', 1), acct('e', 'b', 1), acct('e', 'a', 2), del('e', 3), del('d', 3)])
      store.apply([event]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
  });

  it('not when a merge in it was undone, also when its claims count again', () => {
    const store = new MemoryStore();
    for (const event of [acct('d', 'b', 1), acct('e', 'a', 1), del('e', 2), acct('d', 'a', 3)]) store.apply([event]);
    const [merge] = store.merges;
    store.apply([store.undoOf(merge as NonNullable<typeof merge>, at(4))]);
    store.apply([del('d', 5)]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
    store.apply([{ kind: 'unblock', uid: uidOf('d'), address: a as string }]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
  });

  it('not when the facts at hand are not all: a claim leads to what was not loaded', () => {
    const facts = factsOf(ISLAND);
    facts.addresses.delete(b as string);
    expect(purgeableComponents(facts, at(T))).toEqual([]);
  });
});
