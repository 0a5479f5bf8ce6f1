/** Who owns an address, which contacts that makes, and which token stays: in the pure domain. */
import { describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { acct, addressOf, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { permutations } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';
import { scenarios } from '../support/scenarios';

interface Line {
  addresses: string[];
  account: string | null;
  primary: string | null;
  opted_out: boolean;
  double_opt_in: boolean;
  newsletters: Record<string, string>;
  [field: string]: unknown;
}

const mail = (...names: string[]): string[] => names.map((name) => addressOf(name).key);

/** Applies each event in a batch of its own. */
function receive(...events: ContactEvent[]): MemoryStore & { lines: Line[] } {
  const store = new MemoryStore();
  for (const event of events) store.apply([event]);
  expect(store.problems()).toEqual([]);
  return Object.assign(store, { lines: store.export().map((line) => JSON.parse(line) as Line) });
}

const liveContacts = (store: MemoryStore) => [...store.contacts.values()].filter(({ state }) => state === 'live');
const stateOf = (store: MemoryStore, address: string, before: MemoryStore): string | undefined =>
  store.contacts.get(before.addressRows.get(address) as string)?.state;

describe('a collision', () => {
  it('merges the contact of a lone address into that of the account which claims it', () => {
    const store = receive(signup('b', ['x'], 1), acct('u', 'a', 2), acct('u', 'b', 3));
    expect(liveContacts(store)).toHaveLength(1);
    expect(store.merges).toMatchObject([{ reason: 'claim', addresses: mail('b'), announced: true }]);
    expect(store.lines).toMatchObject([
      { addresses: mail('a', 'b'), primary: mail('b')[0], newsletters: { x: 'subscribed' } },
    ]);
  });

  it('merges the contact of a deleted account into that of its successor', () => {
    const store = receive(acct('u1', 'b', 1), del('u1', 2), acct('u2', 'a', 3), acct('u2', 'b', 4));
    expect(store.merges).toMatchObject([{ reason: 'recreated', uid: uidOf('u2'), addresses: mail('b') }]);
    expect(store.lines).toMatchObject([{ addresses: mail('a', 'b'), account: uidOf('u2') }]);
  });
});

describe('an account that is deleted and created again with the same address', () => {
  const events = [
    acct('u1', 'a', 1, { newsletters: ['account'] }),
    signup('a', ['site'], 2),
    unsub('a', ['gone'], 2),
    del('u1', 3),
    acct('u2', 'a', 4),
  ];
  const [first, site, gone, deletion, second] = events as [
    ContactEvent,
    ContactEvent,
    ContactEvent,
    ContactEvent,
    ContactEvent,
  ];

  it('keeps the contact and its token: the new account has everything tied to the address, refusals too', () => {
    const store = receive(...events);
    expect(store.merges).toEqual([]);
    expect(liveContacts(store)).toHaveLength(1);
    expect(store.lines).toMatchObject([
      { addresses: mail('a'), account: uidOf('u2'), newsletters: { gone: 'unsubscribed', site: 'subscribed' } },
    ]);
    expect(store.lines[0]?.newsletters).not.toHaveProperty('account');
  });

  it('has the same view if the deletion arrives last, and announces the merge that the deletion completes', () => {
    const store = receive(first, site, gone, second, deletion);
    expect(store.export()).toEqual(receive(...events).export());
    expect(store.merges).toMatchObject([{ reason: 'deletion', addresses: mail('a') }]);
  });

  it('closes the old contact without a merge if the old account was deleted after the new one’s claim', () => {
    const store = receive(first, acct('u2', 'a', 2), del('u1', 3));
    expect(store.merges).toEqual([]);
    expect([...store.contacts.values()].map(({ state }) => state).sort()).toEqual(['closed', 'live']);
  });
});

describe('spelling of an address', () => {
  it('may differ in letter case, but not in plus-tags and dots', () => {
    const store = receive(
      signup('Ada@Mail.Test', ['x'], 1),
      signup('ada@mail.test', ['y'], 2),
      signup('a.da@mail.test', [], 3),
      signup('ada+x@mail.test', [], 3),
    );
    expect(store.lines.map(({ addresses }) => addresses)).toEqual([
      ['a.da@mail.test'],
      ['ada+x@mail.test'],
      ['ada@mail.test'],
    ]);
    expect(store.lines[2]?.newsletters).toEqual({ x: 'subscribed', y: 'subscribed' });
  });
});

describe('claims on two addresses of one contact', () => {
  it('change and announce nothing when they are repeated', () => {
    const store = receive(acct('u', 'a', 1), acct('u', 'b', 2));
    const [contact] = liveContacts(store);
    const changes = store.apply([acct('u', 'b', 2), acct('u', 'a', 1)]);
    expect(changes.merges).toEqual([]);
    expect([changes.contacts, changes.addresses, changes.accounts, changes.claims]).toEqual([
      { created: [], changed: [] },
      [],
      [],
      [],
    ]);
    expect(liveContacts(store)).toEqual([contact]);
  });
});

describe('two live accounts that claim one address', () => {
  const events = [
    acct('u1', 'a', 1),
    unsub('a', ['x'], 2),
    signup('a', ['y'], 2),
    acct('u2', 'a', 3),
    signup('a', ['x'], 4),
  ];

  it('never merge: the later claim gets the address, the other account keeps its contact, and each keeps its choices', () => {
    const store = receive(...events);
    expect(store.merges).toEqual([]);
    expect(store.lines).toMatchObject([
      { addresses: [], account: uidOf('u1'), newsletters: { x: 'unsubscribed', y: 'subscribed' } },
      { addresses: mail('a'), account: uidOf('u2'), newsletters: { x: 'subscribed' } },
    ]);
  });
});

describe('addresses that change their owner', () => {
  it('can be swapped between two accounts without a merge, in both orders and at once', () => {
    const before = [acct('u1', 'a', 1), acct('u2', 'b', 1), signup('a', ['x'], 2), signup('b', ['y'], 2)];
    const swap = [acct('u1', 'b', 3), acct('u2', 'a', 3)] as const;
    const [there, back] = [receive(...before, ...swap), receive(...before, swap[1], swap[0])];
    const atOnce = receive(...before);
    atOnce.apply(swap);
    for (const store of [there, back, atOnce]) {
      expect(store.merges).toEqual([]);
      expect(store.export()).toEqual(there.export());
    }
    expect(there.lines).toMatchObject([
      { addresses: mail('a'), account: uidOf('u2'), newsletters: { y: 'subscribed' } },
      { addresses: mail('b'), account: uidOf('u1'), newsletters: { x: 'subscribed' } },
    ]);
  });

  it('leave each account the choices in its own periods when an address goes to another account and back', () => {
    const { lines } = receive(...(scenarios['an address that goes to another account and back'] as ContactEvent[]));
    expect(lines).toMatchObject([
      { account: uidOf('u2'), addresses: [], newsletters: { two: 'subscribed' } },
      { account: uidOf('u1'), addresses: mail('a'), newsletters: { one: 'subscribed', three: 'subscribed' } },
    ]);
  });
});

describe('a change of the primary address and back', () => {
  it('makes the first address primary again; the contact merged at the first step stays merged', () => {
    const first = receive(acct('u', 'a', 1), signup('b', ['x'], 2));
    const store = receive(acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3), acct('u', 'a', 4));
    expect(store.lines).toMatchObject([{ addresses: mail('a', 'b'), primary: mail('a')[0] }]);
    expect(stateOf(store, mail('b')[0] as string, first)).toBe('merged');
  });
});

describe('scenarios', () => {
  it.each(Object.entries(scenarios))(
    'end in the same export in every order, each event alone or all at once: %s',
    (_, events) => {
      const wanted = canonicalExport(factsOf(events));
      for (const order of permutations(events)) {
        const [alone, together] = [new MemoryStore(), new MemoryStore()];
        for (const event of order) {
          alone.apply([event]);
          const problems = alone.problems();
          if (problems.length > 0) throw new Error(problems.join('\n'));
        }
        together.apply(order);
        if (String(alone.export()) !== String(wanted)) expect(alone.export()).toEqual(wanted);
        if (String(together.export()) !== String(wanted)) expect(together.export()).toEqual(wanted);
      }
    },
  );
});

describe('consent', () => {
  it('keeps a refusal for the other addresses of a deleted account when the address it was made at is inherited', () => {
    const { lines } = receive(...(scenarios['a refusal in a period that was inherited'] as ContactEvent[]));
    expect(lines).toMatchObject([
      { addresses: mail('a'), opted_out: true },
      { addresses: mail('b'), opted_out: true, newsletters: { x: 'unsubscribed' } },
    ]);
  });

  it('needs a later confirmation at the same address for an unproven subscription made while opted out', () => {
    const optedOut = [optout('a', 1), signup('a', ['x'], 2)];
    expect(receive(...optedOut).lines).toMatchObject([{ opted_out: true, newsletters: { x: 'unsubscribed' } }]);
    const lifted = receive(...optedOut, acct('u', 'a', 0), signup('b', ['y'], 3, { optin: true }), acct('u', 'b', 4));
    expect(lifted.lines).toMatchObject([{ opted_out: false, newsletters: { x: 'unsubscribed', y: 'subscribed' } }]);
    expect(receive(...optedOut, confirm('a', 3)).lines).toMatchObject([
      { opted_out: false, newsletters: { x: 'subscribed' } },
    ]);
  });
});

describe('the token that stays after a merge', () => {
  const events = [acct('u', 'a', 1), signup('b', ['x'], 2)];

  /** Both tokens before, and the live one after, the merge that one more event causes. */
  function tokens(policy: 'address' | 'account', trigger: ContactEvent) {
    const store = new MemoryStore(policy);
    for (const event of events) store.apply([event]);
    const tokenAt = (address: string) => store.liveToken(store.addressRows.get(mail(address)[0] as string) as string);
    const before = { account: tokenAt('a'), lone: tokenAt('b') };
    store.apply([trigger]);
    expect(store.problems()).toEqual([]);
    return { before, after: tokenAt('b'), merge: store.merges[0], store };
  }

  it('is, by policy `address`, the token of the record that held the primary address, and the ledger has the reason', () => {
    const { before, after, merge } = tokens('address', acct('u', 'b', 3));
    expect(after).toBe(before.lone);
    expect(merge).toMatchObject({
      tokenKept: before.lone,
      tokenRetired: before.account,
      token: { reason: 'held_primary_address' },
    });
  });

  it('is, by policy `address`, the account record’s if the merged address is not the primary one', () => {
    const { before, after, merge } = tokens('address', acct('u', 'b', 0.5));
    expect(after).toBe(before.account);
    expect(merge).toMatchObject({
      tokenRetired: before.lone,
      token: { keep: 'survivor', reason: 'held_primary_address' },
    });
  });

  it('is, by policy `account`, always the survivor’s', () => {
    const { before, after, merge } = tokens('account', acct('u', 'b', 3));
    expect(after).toBe(before.account);
    expect(merge).toMatchObject({ tokenRetired: before.lone, token: { policy: 'account', reason: 'survivor' } });
  });

  it.each(['address', 'account'] as const)('is, by policy `%s`, the only one if a side has none', (policy) => {
    for (const without of ['a', 'b']) {
      const store = new MemoryStore(policy);
      for (const event of events) store.apply([event]);
      const token = store.liveToken(store.addressRows.get(mail(without)[0] as string) as string) as string;
      store.tokens.delete(token); // like an imported record without a token
      const [only] = [...store.tokens].filter(([, row]) => row.state === 'live').map(([id]) => id);
      store.apply([acct('u', 'b', 3)]);
      expect(store.problems()).toEqual([]);
      expect(store.merges[0]).toMatchObject({ tokenKept: only, tokenRetired: null, token: { reason: 'only_token' } });
    }
  });

  it('is never a new one where a known one exists: an account that is new with two addresses keeps the known token', () => {
    const store = receive(signup('b', ['x'], 1));
    const known = store.liveToken(store.addressRows.get(mail('b')[0] as string) as string);
    store.apply([acct('u', 'a', 5), acct('u', 'b', 3)]);
    expect([...store.tokens]).toMatchObject([[known, { state: 'live' }]]);
    expect(store.merges).toMatchObject([{ tokenKept: known, tokenRetired: null }]);
  });
});
