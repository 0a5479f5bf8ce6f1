import { describe, expect, it } from '@jest/globals';
import { purgeableComponents } from '../../src/compaction/plan';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { acct, addressOf, at, confirm, del, signup, uidOf, unsub } from '../support/events';
import { factsOf, MemoryStore } from '../support/memory-store';

const T = 10;
const purgeable = (events: ContactEvent[]) => purgeableComponents(factsOf(events), at(T));
const [a, b, c] = ['a', 'b', 'c'].map((name) => addressOf(name).key);

/** d2 inherited a from d1, and owned b. */
const COMPONENT = [acct('d1', 'a', 1), del('d1', 2), acct('d2', 'a', 3), acct('d2', 'b', 4), del('d2', 9)];

describe('a component', () => {
  it('is purgeable if all its accounts are deleted and nothing but their claims is known', () => {
    expect(purgeable([...COMPONENT, acct('e', 'c', 1), del('e', 2), acct('live', 'z', 1)])).toEqual([
      { addresses: [a, b], uids: ['d1', 'd2'].map(uidOf).sort() },
      { addresses: [c], uids: [uidOf('e')] },
    ]);
  });

  it('is purgeable if its claims are not effective, because they are later than the deletion', () => {
    expect(purgeable([del('d', 1), acct('d', 'a', 2)])).toEqual([{ addresses: [a], uids: [uidOf('d')] }]);
  });

  it('does not exist for a deleted account that never claimed an address', () => {
    expect(purgeable([del('d', 1)])).toEqual([]);
  });

  it.each<[string, ContactEvent[]]>([
    ['an account lives', [...COMPONENT, acct('live', 'a', 0.5)]],
    [
      'an account that is connected at any distance lives',
      [...COMPONENT, acct('x', 'b', 2), acct('x', 'c', 2), acct('live', 'c', 3), del('x', 5)],
    ],
    ['an account was deleted at the very time', [acct('d', 'a', 1), del('d', T)]],
    ['there is a choice at an address', [...COMPONENT, unsub('a', ['x'], 1)]],
    ['there is a confirmation at an address', [...COMPONENT, confirm('b', 1)]],
    ['a profile field is known, be it a cleared one', [...COMPONENT, signup('b', [], 1, { profile: { lang: null } })]],
    ['a claim is of the very time', [...COMPONENT, acct('d2', 'b', T)]],
    ['a sign-up of the very time named an address', [...COMPONENT, signup('b', [], T)]],
  ])('stays if %s', (_, events) => {
    expect(purgeable(events)).toEqual([]);
  });

  it('stays if an account has a refusal; other choices in it do not matter', () => {
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
      fields: null,
    } as const;
    facts.addChoice({ ...choice, origin: { kind: 'account', key: uidOf('d') } });
    expect(purgeableComponents(facts, at(T))).toEqual([]);
  });

  it('stays if a claim is held', () => {
    const store = new MemoryStore('address', (uid) => uid === uidOf('e'));
    for (const event of [acct('d', 'a', 1), acct('e', 'b', 1), acct('e', 'a', 2), del('e', 3), del('d', 3)])
      store.apply([event]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
  });

  it('stays if a merge in it was undone, even if its claims are active again', () => {
    const store = new MemoryStore();
    for (const event of [acct('d', 'b', 1), acct('e', 'a', 1), del('e', 2), acct('d', 'a', 3)]) store.apply([event]);
    const [merge] = store.merges;
    store.apply([store.undoOf(merge as NonNullable<typeof merge>, at(4))]);
    store.apply([del('d', 5)]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
    store.apply([{ kind: 'unblock', uid: uidOf('d'), address: a as string }]);
    expect(purgeableComponents(store.facts, at(T))).toEqual([]);
  });

  it('stays if the facts are incomplete: a claim leads to an address or account that was not loaded', () => {
    const facts = factsOf(COMPONENT);
    facts.addresses.delete(b as string);
    expect(purgeableComponents(facts, at(T))).toEqual([]);
  });
});
