/** The fold, rule by rule, at its boundaries: what one person's contact shows, as values. */
import { describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { factsOf, MemoryStore } from '../support/memory-store';

type Line = Record<string, unknown>;

const linesOf = (...events: ContactEvent[]): Line[] =>
  canonicalExport(factsOf(events)).map((line) => JSON.parse(line) as Line);
/** The line of the contact that has an address. */
function lineOf(name: string, ...events: ContactEvent[]): Line {
  const { key } = addressOf(name);
  return linesOf(...events).find(({ addresses }) => (addresses as string[]).includes(key)) as Line;
}
const lineOfAccount = (name: string, ...events: ContactEvent[]): Line =>
  linesOf(...events).find(({ account }) => account === uidOf(name)) as Line;

describe('periods', () => {
  const live = [acct('u1', 'a', 1), acct('u2', 'a', 5)];

  it('give what was learned at the very moment of a change to the earlier one', () => {
    const events = [...live, signup('a', ['early'], 5), signup('a', ['later'], 5.001)];
    expect(lineOfAccount('u1', ...events).newsletters).toEqual({ early: 'subscribed' });
    expect(lineOfAccount('u2', ...events).newsletters).toEqual({ later: 'subscribed' });
  });

  it('give what was learned before anybody claimed the address to the first who did', () => {
    expect(lineOfAccount('u1', ...live, signup('a', ['x'], 0)).newsletters).toEqual({ x: 'subscribed' });
  });

  it('count a claim at the very time of its account’s deletion, and none after', () => {
    expect(lineOf('a', acct('u', 'a', 3), del('u', 3))).toMatchObject({ account: null, double_opt_in: true });
    expect(lineOf('a', acct('u', 'a', 3), del('u', 2))).toMatchObject({ account: null, double_opt_in: false });
  });

  it('pass to the next account when theirs was deleted by the time that it begins, the very time included', () => {
    const events = [...live, signup('a', ['x'], 2)];
    expect(lineOf('a', ...events, del('u1', 5)).newsletters).toEqual({ x: 'subscribed' });
    expect(lineOf('a', ...events, del('u1', 6)).newsletters).toEqual({});
  });

  it('go by the greater uid when two claims have one time', () => {
    expect(lineOf('a', acct('u1', 'a', 1), acct('u2', 'a', 1)).account).toBe(uidOf('u2'));
  });
});

describe('case 13: a profile', () => {
  const profile = (t: number, firstName: string | null) => signup('a', [], t, { profile: { firstName } });

  it('keeps the latest value of each field, not the latest record', () => {
    const events = [
      signup('a', [], 1, { profile: { firstName: 'Ada', lang: 'fr' } }),
      signup('a', [], 2, { profile: { lastName: 'L' } }),
    ];
    expect(lineOf('a', ...events)).toMatchObject({ first_name: 'Ada', last_name: 'L', lang: 'fr' });
  });

  it('is cleared by an explicit null, and set again by a later value', () => {
    expect(lineOf('a', profile(1, 'Ada'), profile(2, null)).first_name).toBeNull();
    expect(lineOf('a', profile(1, 'Ada'), profile(2, null), profile(3, 'Eda')).first_name).toBe('Eda');
  });

  it('prefers, at one time, a value to a null, and the greater value', () => {
    expect(lineOf('a', profile(1, null), profile(1, 'Ada'), profile(1, 'Bob')).first_name).toBe('Bob');
  });

  it('takes language and country from the live account when they are later, and leaves them with it', () => {
    const signedUp = signup('a', [], 1, { profile: { lang: 'fr', country: 'fr' } });
    const account = acct('u', 'a', 2, { locale: 'pt-BR,pt;q=0.8', country: 'br' });
    expect(lineOf('a', signedUp, account)).toMatchObject({ lang: 'pt-br', country: 'br' });
    expect(lineOf('a', signedUp, account, del('u', 3))).toMatchObject({ lang: 'fr', country: 'fr' });
  });
});

describe('case 14: a newsletter', () => {
  it('has the state of the latest choice; at one time, unsubscribed', () => {
    expect(lineOf('a', signup('a', ['x'], 1), unsub('a', ['x'], 2)).newsletters).toEqual({ x: 'unsubscribed' });
    expect(lineOf('a', unsub('a', ['x'], 1), signup('a', ['x'], 2)).newsletters).toEqual({ x: 'subscribed' });
    expect(lineOf('a', signup('a', ['x'], 1), unsub('a', ['x'], 1)).newsletters).toEqual({ x: 'unsubscribed' });
  });

  it('is decided over both sides of a merge', () => {
    const merged = [acct('u', 'a', 1), acct('u', 'b', 9)];
    expect(lineOf('a', ...merged, signup('a', ['x'], 2), unsub('b', ['x', 'y'], 3)).newsletters).toEqual({
      x: 'unsubscribed',
      y: 'unsubscribed',
    });
  });

  it('that was subscribed to in an account leaves with the account; what was refused in it stays', () => {
    const events = [acct('u', 'a', 1, { newsletters: ['x'] }), signup('a', ['y'], 2)];
    expect(lineOf('a', ...events).newsletters).toEqual({ x: 'subscribed', y: 'subscribed' });
    expect(lineOf('a', ...events, del('u', 3)).newsletters).toEqual({ y: 'subscribed' });
  });

  it('named like a number keeps its place in the order of names', () => {
    const [line] = canonicalExport(factsOf([signup('a', ['9', '10', 'b'], 1)]));
    expect(line).toMatch(/"newsletters":\{"10":"subscribed","9":"subscribed","b":"subscribed"\}\}$/);
  });
});

describe('case 15: an opt-out', () => {
  const state = (...events: ContactEvent[]) => {
    const { opted_out, newsletters } = lineOf('a', acct('u', 'a', 0), acct('u', 'b', 9), ...events);
    return { opted_out, x: (newsletters as Record<string, string>).x ?? 'none' };
  };
  const proven = { optin: true };

  it.each([
    [
      'ends a subscription made before',
      [signup('b', ['x'], 1), optout('a', 2)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'ends one made at the same time, proven or not',
      [signup('b', ['x'], 2, proven), optout('a', 2)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'is not lifted by a later unproven sign-up, which does not begin',
      [optout('a', 2), signup('b', ['x'], 3)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'is lifted by a proven sign-up strictly later',
      [optout('a', 2), signup('b', ['x'], 3, proven)],
      { opted_out: false, x: 'subscribed' },
    ],
    [
      'is lifted by a confirmation, which revives no subscription from before',
      [signup('a', ['x'], 1), optout('a', 2), confirm('a', 3)],
      { opted_out: false, x: 'unsubscribed' },
    ],
    [
      'is not lifted by a confirmation at the same time',
      [optout('a', 2), confirm('b', 2)],
      { opted_out: true, x: 'none' },
    ],
    [
      'is lifted by a subscription made in the live account',
      [optout('a', 2), acct('u', 'a', 3, { newsletters: ['x'] })],
      { opted_out: false, x: 'subscribed' },
    ],
    [
      'stands again when the account, with its proof, is deleted',
      [optout('a', 2), acct('u', 'a', 3, { newsletters: ['x'] }), del('u', 10)],
      { opted_out: true, x: 'none' },
    ],
    [
      'of a third contact ends what was proven before it',
      [signup('a', ['x'], 1, proven), acct('u', 'c', 10), optout('c', 2)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'lets a subscription begin that is confirmed at its own address',
      [optout('a', 2), signup('b', ['x'], 3), confirm('b', 4)],
      { opted_out: false, x: 'subscribed' },
    ],
    [
      'does not let one begin that is confirmed at another',
      [optout('a', 2), signup('b', ['x'], 3), confirm('a', 4)],
      { opted_out: false, x: 'unsubscribed' },
    ],
  ])('%s', (_, events, wanted) => {
    expect(state(...events)).toEqual(wanted);
  });
});

describe('stored contacts', () => {
  const contactsOf = (...events: ContactEvent[]) => {
    const store = new MemoryStore();
    for (const event of events) store.apply([event]);
    expect(store.problems()).toEqual([]);
    return { store, states: [...store.contacts.values()].map(({ state }) => state).sort() };
  };

  it('are not joined by an account whose address was another live account’s', () => {
    const { store, states } = contactsOf(acct('u1', 'a', 1), acct('u2', 'a', 2));
    expect(states).toEqual(['live', 'live']);
    expect(store.accountRows.get(uidOf('u1'))).not.toBe(store.accountRows.get(uidOf('u2')));
  });

  it('stay with an address that falls back to nobody, when it is all that they have', () => {
    const { store, states } = contactsOf(acct('u', 'a', 5), del('u', 3));
    expect(states).toEqual(['live']);
    expect(store.addressRows.get(addressOf('a').key)).toBe([...store.contacts.keys()][0]);
  });

  it('are merged by a late deletion into the owner of the address that the account claimed last', () => {
    const { store } = contactsOf(
      acct('u1', 'a', 1),
      acct('u1', 'b', 2),
      acct('u2', 'a', 5),
      acct('u3', 'b', 5),
      del('u1', 4),
    );
    expect(store.merges).toMatchObject([
      { reason: 'deletion', uid: uidOf('u3'), addresses: [addressOf('b').key], at: at(4) },
    ]);
  });

  it('are told of no merge with a contact that was made and merged within one batch', () => {
    const store = new MemoryStore();
    store.apply([acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3)]);
    expect(store.problems()).toEqual([]);
    expect([store.merges, store.contacts.size, store.tokens.size]).toEqual([[], 1, 1]);
  });

  it('are told of once for one duplicate, also when the survivor was made and merged on in the same batch', () => {
    const store = new MemoryStore();
    store.apply([signup('b', ['x'], 1)]);
    const [[retiredId]] = [...store.contacts] as [[string, unknown]];
    store.apply([acct('u1', 'a', 1), acct('u1', 'b', 2), del('u1', 3), acct('u2', 'a', 4), acct('u2', 'b', 5)]);
    expect(store.problems()).toEqual([]);
    expect(store.merges.filter(({ announced }) => announced)).toMatchObject([{ retiredId }]);
  });

  it('find every token at any depth: after a chain of merges it acts on the account that has it all now', () => {
    const store = new MemoryStore();
    const steps = [
      signup('x', ['n'], 1),
      acct('u1', 'y', 1),
      acct('u1', 'x', 2),
      acct('u2', 'z', 3),
      del('u1', 4),
      acct('u2', 'y', 5),
      acct('u2', 'x', 6),
    ];
    for (const event of steps) store.apply([event]);
    expect(store.problems()).toEqual([]);
    expect(store.merges.map(({ reason }) => reason)).toEqual(['claim', 'recreated']);
    expect(store.tokens.size).toBe(3);
    for (const token of store.tokens.keys()) {
      expect(store.apply([unsub({ token }, [token], 7)]).unknownTokens).toEqual([]);
      expect(lineByAccount(store, 'u2').newsletters).toMatchObject({ [token]: 'unsubscribed' });
    }
    expect(store.apply([unsub({ token: 'nobody’s' }, ['n'], 7)]).unknownTokens).toEqual([0]);
  });
});

const lineByAccount = (store: MemoryStore, name: string): Line =>
  store
    .export()
    .map((line) => JSON.parse(line) as Line)
    .find(({ account }) => account === uidOf(name)) as Line;
