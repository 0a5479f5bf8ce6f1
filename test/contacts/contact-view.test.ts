/** The rules of the contact view at their boundaries. */
import { describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type Person, peopleOf } from '../../src/contacts/identity/ownership';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { contactView } from '../../src/contacts/profile/contact-view';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { factsOf, MemoryStore } from '../support/memory-store';

type Line = Record<string, unknown>;

const linesOf = (...events: ContactEvent[]): Line[] =>
  canonicalExport(factsOf(events)).map((line) => JSON.parse(line) as Line);
/** The canonical line of the contact that has an address. */
function lineOf(name: string, ...events: ContactEvent[]): Line {
  const { key } = addressOf(name);
  return linesOf(...events).find(({ addresses }) => (addresses as string[]).includes(key)) as Line;
}
const lineOfAccount = (name: string, ...events: ContactEvent[]): Line =>
  linesOf(...events).find(({ account }) => account === uidOf(name)) as Line;

describe('ownership periods', () => {
  const live = [acct('u1', 'a', 1), acct('u2', 'a', 5)];

  it('give a fact at the time of a boundary to the earlier period', () => {
    const events = [...live, signup('a', ['early'], 5), signup('a', ['later'], 5.001)];
    expect(lineOfAccount('u1', ...events).newsletters).toEqual({ early: 'subscribed' });
    expect(lineOfAccount('u2', ...events).newsletters).toEqual({ later: 'subscribed' });
  });

  it('give a fact from before the first claim to the first claimant', () => {
    expect(lineOfAccount('u1', ...live, signup('a', ['x'], 0)).newsletters).toEqual({ x: 'subscribed' });
  });

  it('include a claim at the time of its account’s deletion, but none after it', () => {
    expect(lineOf('a', acct('u', 'a', 3), del('u', 3))).toMatchObject({ account: null, double_opt_in: true });
    expect(lineOf('a', acct('u', 'a', 3), del('u', 2))).toMatchObject({ account: null, double_opt_in: false });
  });

  it('are inherited if their account was deleted by the time the next period begins, equal times included', () => {
    const events = [...live, signup('a', ['x'], 2)];
    expect(lineOf('a', ...events, del('u1', 5)).newsletters).toEqual({ x: 'subscribed' });
    expect(lineOf('a', ...events, del('u1', 6)).newsletters).toEqual({});
  });

  it('follow the greater uid if two claims have the same time', () => {
    expect(lineOf('a', acct('u1', 'a', 1), acct('u2', 'a', 1)).account).toBe(uidOf('u2'));
  });
});

describe('a profile', () => {
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

  it('prefers, at equal times, a value to a null, and the greater value', () => {
    expect(lineOf('a', profile(1, null), profile(1, 'Ada'), profile(1, 'Bob')).first_name).toBe('Bob');
  });

  describe('of a live account', () => {
    const signedUp = (t: number, lang: string | null, country: string | null, where = 'a') =>
      signup(where, [], t, { profile: { lang, country } });
    const account = acct('u', 'a', 5, { locale: 'pt-BR,pt;q=0.8', country: 'br' });

    it('has its language and country where no newsletter event gives them, until it is deleted', () => {
      expect(lineOf('a', account)).toMatchObject({ lang: 'pt-br', country: 'br' });
      expect(lineOf('a', account, del('u', 9))).toMatchObject({ lang: null, country: null });
      expect(lineOf('a', account, signup('a', [], 6, { profile: { lang: 'fr' } }))).toMatchObject({
        lang: 'fr',
        country: 'br',
      });
    });

    it.each([1, 5, 9])('never replaces what a newsletter event says: a sign-up at %d, the account at 5', (t) => {
      const events = [account, signedUp(t, 'fr', 'ca')];
      expect(lineOf('a', ...events)).toMatchObject({ lang: 'fr', country: 'ca' });
      expect(lineOf('a', ...events, del('u', 10))).toMatchObject({ lang: 'fr', country: 'ca' });
    });

    it.each([6, 9])('gets a field back that a newsletter event clears: the account at 5, the null at %d', (t) => {
      expect(lineOf('a', account, signedUp(1, 'fr', 'ca'), signedUp(t, null, null))).toMatchObject({
        lang: 'pt-br',
        country: 'br',
      });
    });

    it('gets a cleared field back, also if the account said its value before, until a later sign-up gives it', () => {
      const early = acct('u', 'a', 0, { locale: 'de' });
      expect(lineOf('a', early, signedUp(1, null, null))).toMatchObject({ lang: 'de', country: null });
      expect(lineOf('a', early, signedUp(1, null, null), signedUp(2, 'fr', null)).lang).toBe('fr');
    });

    it('decides each of these fields over all its addresses', () => {
      const events = [account, acct('u', 'b', 6), signedUp(1, 'fr', 'ca'), signedUp(2, 'it', null, 'b')];
      expect(lineOf('a', ...events)).toMatchObject({ lang: 'it', country: 'br' });
    });

    it('keeps its language when a locale comes that cannot be parsed, and its latest language otherwise', () => {
      expect(lineOf('a', account, acct('u', 'a', 6)).lang).toBe('pt-br');
      expect(lineOf('a', account, acct('u', 'a', 6, { locale: 'es-419,es;q=0.9' })).lang).toBe('es');
    });
  });
});

describe('the emails of a contact', () => {
  const emailsOf = (name: string, ...events: ContactEvent[]): string[] => {
    const facts = factsOf(events);
    const person = peopleOf(facts).find(({ addresses }) => addresses.includes(addressOf(name).key)) as Person;
    return contactView(facts, person).emails.map(({ address, ...flags }) =>
      [address, ...(flags.primary ? ['primary'] : []), ...(flags.verified ? ['verified'] : [])].join(' '),
    );
  };

  it('are as typed, the primary one first and the others in the order of `addresses`', () => {
    const events = [acct('u', 'B@mail.test', 1), acct('u', 'c', 2), acct('u', 'Ada@Mail.test', 3), acct('u', 'd', 4)];
    const line = lineOf('a', ...events, acct('u', 'a', 0));
    expect(line.addresses).toEqual(['a', 'ada', 'b', 'c', 'd'].map((name) => `${name}@mail.test`));
    expect(emailsOf('a', ...events, acct('u', 'a', 0))).toEqual([
      'd@mail.test primary verified',
      'a@mail.test verified',
      'Ada@Mail.test verified',
      'B@mail.test verified',
      'c@mail.test verified',
    ]);
    expect(line).not.toHaveProperty('emails');
  });

  it('are verified by a claim of the contact’s account, also of a deleted one', () => {
    expect(emailsOf('a', acct('u', 'a', 3))).toEqual(['a@mail.test primary verified']);
    expect(emailsOf('a', acct('u', 'a', 3), del('u', 3))).toEqual(['a@mail.test primary verified']);
    expect(emailsOf('a', acct('u', 'a', 3), del('u', 2))).toEqual(['a@mail.test primary']);
  });

  it('are verified by a proven act at the address, and by no other act', () => {
    expect(emailsOf('a', signup('a', ['x'], 1), unsub('a', ['x'], 2), optout('a', 3))).toEqual(['a@mail.test primary']);
    expect(emailsOf('a', signup('a', ['x'], 1, { optin: true }))).toEqual(['a@mail.test primary verified']);
    expect(emailsOf('a', optout('a', 3), confirm('a', 1))).toEqual(['a@mail.test primary verified']);
  });

  it('are not verified by a claim that is held', () => {
    const store = new MemoryStore('address', () => true);
    store.apply([signup('a', ['x'], 1)]);
    store.apply([acct('u', 'b', 2), acct('u', 'a', 3, { newsletters: ['y'] })]);
    const [lone] = peopleOf(store.facts).filter(({ uid }) => uid === null) as [Person];
    expect(contactView(store.facts, lone).emails).toEqual([{ address: 'a@mail.test', primary: true, verified: false }]);
  });
});

describe('a newsletter', () => {
  it('has the state of the latest choice; at equal times, unsubscribed', () => {
    expect(lineOf('a', signup('a', ['x'], 1), unsub('a', ['x'], 2)).newsletters).toEqual({ x: 'unsubscribed' });
    expect(lineOf('a', unsub('a', ['x'], 1), signup('a', ['x'], 2)).newsletters).toEqual({ x: 'subscribed' });
    expect(lineOf('a', signup('a', ['x'], 1), unsub('a', ['x'], 1)).newsletters).toEqual({ x: 'unsubscribed' });
  });

  it('has the state of the latest choice on either side of a merge', () => {
    const merged = [acct('u', 'a', 1), acct('u', 'b', 9)];
    expect(lineOf('a', ...merged, signup('a', ['x'], 2), unsub('b', ['x', 'y'], 3)).newsletters).toEqual({
      x: 'unsubscribed',
      y: 'unsubscribed',
    });
  });

  it('loses a subscription made in an account when the account is deleted, but keeps a refusal made in it', () => {
    const events = [acct('u', 'a', 1, { newsletters: ['x'] }), signup('a', ['y'], 2)];
    expect(lineOf('a', ...events).newsletters).toEqual({ x: 'subscribed', y: 'subscribed' });
    expect(lineOf('a', ...events, del('u', 3)).newsletters).toEqual({ y: 'subscribed' });
  });

  it('with a name like a number is sorted by name like all others', () => {
    const [line] = canonicalExport(factsOf([signup('a', ['9', '10', 'b'], 1)]));
    expect(line).toMatch(/"newsletters":\{"10":"subscribed","9":"subscribed","b":"subscribed"\}\}$/);
  });
});

describe('an opt-out', () => {
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
      'ends a subscription made at the same time, proven or not',
      [signup('b', ['x'], 2, proven), optout('a', 2)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'is not lifted by a later unproven sign-up, which has no effect',
      [optout('a', 2), signup('b', ['x'], 3)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'is lifted by a strictly later proven sign-up',
      [optout('a', 2), signup('b', ['x'], 3, proven)],
      { opted_out: false, x: 'subscribed' },
    ],
    [
      'is lifted by a confirmation, which does not revive earlier subscriptions',
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
      'stands again when the account with its proof is deleted',
      [optout('a', 2), acct('u', 'a', 3, { newsletters: ['x'] }), del('u', 10)],
      { opted_out: true, x: 'none' },
    ],
    [
      'at an address that joins later ends proven subscriptions made before it',
      [signup('a', ['x'], 1, proven), acct('u', 'c', 10), optout('c', 2)],
      { opted_out: true, x: 'unsubscribed' },
    ],
    [
      'does not hold back a subscription that is confirmed at its own address',
      [optout('a', 2), signup('b', ['x'], 3), confirm('b', 4)],
      { opted_out: false, x: 'subscribed' },
    ],
    [
      'holds back a subscription that is confirmed at another address',
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

  it('keep an address without an owner if it is all that they have', () => {
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

  it('have no announced merge with a contact that was created and merged within one batch', () => {
    const store = new MemoryStore();
    store.apply([acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3)]);
    expect(store.problems()).toEqual([]);
    expect([store.merges, store.contacts.size, store.tokens.size]).toEqual([[], 1, 1]);
  });

  it('have one announced merge for one duplicate, also if the survivor is created and merged again in the same batch', () => {
    const store = new MemoryStore();
    store.apply([signup('b', ['x'], 1)]);
    const [[retiredId]] = [...store.contacts] as [[string, unknown]];
    store.apply([acct('u1', 'a', 1), acct('u1', 'b', 2), del('u1', 3), acct('u2', 'a', 4), acct('u2', 'b', 5)]);
    expect(store.problems()).toEqual([]);
    expect(store.merges.filter(({ announced }) => announced)).toMatchObject([{ retiredId }]);
  });

  it('are found by every token at any depth: after a chain of merges it acts on the last survivor', () => {
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
