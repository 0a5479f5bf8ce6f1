/** Undoing a merge in the pure domain: **Undo blocks claims** and **Both sides are restored**. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ClaimEvent, ContactEvent } from '../../src/contacts/facts/event';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { contactEvent, history } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';

const NOW = at(100);

function receive(...events: ContactEvent[]): MemoryStore {
  const store = new MemoryStore();
  for (const event of events) store.apply([event]);
  return store;
}

/** Undoes a merge, by default the last one. */
function undo(store: MemoryStore, plan = store.merges.at(-1) as MergePlan, now = NOW) {
  const changes = store.apply([store.undoOf(plan, now)]);
  expect(store.problems()).toEqual([]);
  return changes;
}
const refusalOf = (store: MemoryStore, plan = store.merges.at(-1) as MergePlan) => store.look(store.undoOf(plan, NOW));

const tokenAt = (store: MemoryStore, name: string) =>
  store.liveToken(store.addressRows.get(addressOf(name).key) as string);
const contactAt = (store: MemoryStore, name: string) => store.addressRows.get(addressOf(name).key);
const lineAt = (store: MemoryStore, name: string) =>
  store
    .export()
    .map((line) => JSON.parse(line))
    .find(({ addresses }) => addresses.includes(addressOf(name).key));

const TRIGGER = acct('u', 'b', 3, { locale: 'de', newsletters: ['in-account'] });
const MERGED = [acct('u', 'a', 1), signup('b', ['x'], 2), TRIGGER];

describe('the undo of a merge', () => {
  it('leaves the export of the same events without the claim, but with the rest of the trigger', () => {
    const store = receive(...MERGED);
    undo(store);
    const without = factsOf([acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'a', 1, { locale: 'de' })]);
    expect(lineAt(store, 'a')).toMatchObject({
      addresses: ['a@mail.test'],
      lang: 'de',
      newsletters: { 'in-account': 'subscribed' },
    });
    expect(lineAt(store, 'b')).toEqual(
      JSON.parse(canonicalExport(without).find((line) => line.includes('b@mail')) as string),
    );
  });

  it.each(['address', 'account'] as const)(
    'restores the id and the token of each side, with token policy `%s`',
    (policy) => {
      const store = new MemoryStore(policy);
      for (const event of MERGED.slice(0, 2)) store.apply([event]);
      const before = ['a', 'b'].map((name) => [contactAt(store, name), tokenAt(store, name)]);
      store.apply([TRIGGER]);
      undo(store);
      expect(['a', 'b'].map((name) => [contactAt(store, name), tokenAt(store, name)])).toEqual(before);
    },
  );

  it('restores the contact of a deleted account', () => {
    const store = receive(acct('u1', 'b', 1), signup('b', ['x'], 2), del('u1', 3), acct('u2', 'a', 4));
    const before = [store.export(), contactAt(store, 'b'), tokenAt(store, 'b')];
    store.apply([acct('u2', 'b', 5)]);
    expect(store.merges).toMatchObject([{ reason: 'recreated' }]);
    undo(store);
    expect([store.export(), contactAt(store, 'b'), tokenAt(store, 'b')]).toEqual(before);
    expect(store.accountRows.get(uidOf('u1'))).toBe(contactAt(store, 'b'));
  });

  it('takes back inherited addresses when a late deletion completed the merge', () => {
    const store = receive(acct('u1', 'a', 1), signup('a', ['x'], 2), acct('u2', 'a', 5));
    const [retired] = [...store.contacts.keys()];
    store.apply([del('u1', 4)]);
    expect(store.merges).toMatchObject([{ reason: 'deletion', retiredId: retired, addresses: ['a@mail.test'] }]);
    undo(store);
    expect(contactAt(store, 'a')).toBe(retired);
    expect(lineAt(store, 'a')).toMatchObject({ account: null, newsletters: { x: 'subscribed' } });
  });

  it('does not take back addresses that the deleted account claimed but never owned', () => {
    const store = receive(acct('u2', 'a', 9), acct('u1', 'c', 1), acct('u2', 'c', 5), acct('u1', 'a', 6));
    store.apply([del('u1', 4)]);
    expect(store.merges).toMatchObject([{ addresses: [addressOf('c').key] }]);
    undo(store);
    expect(lineAt(store, 'c').addresses).toEqual([addressOf('c').key]);
  });

  it('blocks a claim made at the start of the inherited period if its uid is the greater one', () => {
    const store = receive(acct('u3', 'b', 1), acct('u2', 'b', 5), del('u2', 5), acct('u3', 'b', 5));
    undo(store);
    expect(lineAt(store, 'b')).toMatchObject({ account: null });
  });

  it('keeps a period of the account that is earlier than the inherited one', () => {
    const store = receive(
      acct('u', 'b', 1),
      signup('b', ['mine'], 2),
      acct('d', 'b', 3),
      signup('b', ['theirs'], 4),
      del('d', 5),
      acct('u', 'a', 5),
      acct('u', 'b', 6),
    );
    undo(store);
    expect(lineAt(store, 'b')).toMatchObject({ account: null, newsletters: { theirs: 'subscribed' } });
    expect(lineAt(store, 'a')).toMatchObject({ account: uidOf('u'), newsletters: { mine: 'subscribed' } });
  });

  it('points contacts that had been merged into the restored contact at it again', () => {
    const store = receive(
      acct('u1', 'b', 1),
      signup('c', ['x'], 1),
      acct('u1', 'c', 2),
      del('u1', 3),
      acct('u2', 'a', 4),
    );
    const old = store.merges[0] as MergePlan;
    store.apply([acct('u2', 'b', 5), acct('u2', 'c', 5)]);
    expect(store.contacts.get(old.retiredId)?.mergedInto).toBe(store.merges[1]?.survivorId);
    expect(refusalOf(store)).toBe(null);
    undo(store);
    expect(store.contacts.get(old.retiredId)?.mergedInto).toBe(store.merges[1]?.retiredId);
    const unknown = store.apply([unsub({ token: old.tokenRetired as string }, ['x'], 6)]).unknownTokens;
    expect(unknown).toEqual([]);
  });

  it('is announced, together with the change of the primary address', () => {
    const store = receive(...MERGED);
    const { undone, emailChanges } = undo(store);
    expect(undone).toMatchObject([{ merge: { announced: true }, at: NOW }]);
    expect(emailChanges).toEqual([{ contactId: contactAt(store, 'a'), former: addressOf('b').key, cause: null }]);
  });
});

describe('the undo of a merge with events in between', () => {
  it('leaves each event with its origin', () => {
    const store = receive(
      ...MERGED,
      signup('a', ['at-a'], 4),
      signup('b', ['at-b'], 4),
      unsub('b', ['x'], 5),
      acct('u', 'a', 5, { newsletters: ['later'] }),
      signup({ token: 'unknown' }, [], 5),
    );
    store.apply([unsub({ token: tokenAt(store, 'a') as string }, ['by-token'], 6)]);
    undo(store);
    expect(lineAt(store, 'a').newsletters).toEqual({
      'at-a': 'subscribed',
      'by-token': 'unsubscribed',
      'in-account': 'subscribed',
      later: 'subscribed',
    });
    // A refusal by token stays with every mailbox that the token opened.
    const atB = { 'at-b': 'subscribed', 'by-token': 'unsubscribed', x: 'unsubscribed' };
    expect(lineAt(store, 'b').newsletters).toEqual(atB);
    for (const name of ['a', 'b']) expect(lineAt(store, name).opted_out).toBe(false);
  });

  it.each([
    ['at the retired side’s address', () => optout('b', 5)],
    ['at the survivor’s own address', () => optout('a', 5)],
    ['through the token', (store: MemoryStore) => optout({ token: tokenAt(store, 'a') as string }, 5)],
  ])('counts an opt-out made %s while merged for both', (_, event) => {
    const store = receive(...MERGED);
    store.apply([event(store)]);
    undo(store);
    for (const name of ['a', 'b']) {
      expect(lineAt(store, name).opted_out).toBe(true);
      for (const state of Object.values(lineAt(store, name).newsletters)) expect(state).toBe('unsubscribed');
    }
  });

  it.each([
    ['before the merge', 2.5],
    ['after the undo', 101],
  ])('leaves an opt-out made %s with its own side, whether it arrives before or after the undo', (_, time) => {
    const [late, early] = [receive(...MERGED), receive(...MERGED)];
    early.apply([optout('b', time)]);
    undo(early);
    undo(late);
    late.apply([optout('b', time)]);
    for (const store of [late, early]) {
      expect([lineAt(store, 'a').opted_out, lineAt(store, 'b').opted_out]).toEqual([false, true]);
    }
  });

  it('lets a later proven act lift such an opt-out on its own side only', () => {
    const store = receive(...MERGED, optout('a', 5));
    undo(store);
    store.apply([confirm('b', 6)]);
    expect([lineAt(store, 'a').opted_out, lineAt(store, 'b').opted_out]).toEqual([true, false]);
  });

  it('passes an opt-out that counts for an address to the account that claims it later, and to its successor', () => {
    const store = receive(...MERGED, optout('a', 5));
    undo(store);
    store.apply([acct('v', 'b', 7)]);
    expect(lineAt(store, 'b')).toMatchObject({ account: uidOf('v'), opted_out: true });
    store.apply([del('v', 8), acct('w', 'b', 9)]);
    expect(lineAt(store, 'b')).toMatchObject({ account: uidOf('w'), opted_out: true });
  });

  it('counts an opt-out at an address of the retired account’s predecessor for both sides', () => {
    const store = receive(acct('u0', 'z', 1), acct('u0', 'b', 1), del('u0', 2), acct('u1', 'b', 3), del('u1', 4));
    for (const event of [acct('u2', 'a', 5), acct('u2', 'b', 6), optout('z', 8)]) store.apply([event]);
    expect(lineAt(store, 'a').opted_out).toBe(true);
    undo(store);
    for (const name of ['a', 'b', 'z']) expect(lineAt(store, name).opted_out).toBe(true);
  });

  it('counts an opt-out for both sides of two undone merges, whatever the address it was made at', () => {
    const store = receive(acct('u', 'a', 1), signup('b', ['n'], 2), signup('c', ['n'], 2), acct('u', 'b', 3));
    for (const event of [acct('u', 'c', 4), optout('b', 5)]) store.apply([event]);
    undo(store, store.merges[1], at(10));
    undo(store, store.merges[0], at(11));
    for (const name of ['a', 'b', 'c']) expect(lineAt(store, name).opted_out).toBe(true);
  });

  it('counts an opt-out made in the retired contact’s account for the restored address', () => {
    const store = receive(acct('u2', 'c', 1), acct('u4', 'c', 3));
    store.apply([optout({ token: tokenAt(store, 'c') as string }, 4)]);
    store.apply([del('u4', 2)]); // its claim is not effective any more: c goes to u2
    undo(store);
    for (const line of store.export().map((text) => JSON.parse(text))) expect(line.opted_out).toBe(true);
  });

  it('passes an opt-out that counts for a deleted account to its successor at another address', () => {
    const store = receive(
      acct('u2', 'c', 2),
      optout('a', 1),
      signup('d', [], 1),
      acct('u1', 'a', 1),
      acct('u1', 'd', 1),
    );
    for (const event of [acct('u3', 'c', 1)]) store.apply([event]);
    undo(store, store.merges.at(-1), at(5));
    store.apply([del('u3', 1), acct('u3', 'd', 1)]);
    expect(lineAt(store, 'c')).toMatchObject({ account: uidOf('u2'), opted_out: true });
  });

  it('does not count an opt-out for a third account that claimed the address before it', () => {
    const store = receive(...MERGED);
    undo(store);
    store.apply([acct('v', 'b', 4), optout('a', 5)]); // both arrive late
    expect(lineAt(store, 'b')).toMatchObject({ account: uidOf('v'), opted_out: false });
  });
});

describe('an impossible undo', () => {
  it('is refused as superseded after a later merge of the survivor, until that is undone', () => {
    const store = receive(...MERGED, signup('c', ['y'], 4), acct('u', 'c', 5));
    const [first, second] = store.merges as [MergePlan, MergePlan];
    expect(refusalOf(store, first)).toBe('superseded');
    undo(store, second);
    expect(refusalOf(store, first)).toBe(null);
  });

  it('is refused as superseded when another account has claimed the address', () => {
    const store = receive(...MERGED, acct('v', 'b', 4));
    expect(refusalOf(store)).toBe('superseded');
  });

  it('is refused as empty when a side would be left with nothing', () => {
    const store = receive(acct('v', 'a', 1), acct('u', 'c', 1), acct('v', 'c', 2), signup('b', ['x'], 2));
    store.apply([acct('u', 'b', 3), del('u', 4)]);
    expect(store.merges).toHaveLength(1);
    expect(refusalOf(store)).toBe('empty');
  });

  it('is refused as empty when an address would go to a third contact', () => {
    const store = receive(acct('d', 'b', 1), acct('d', 'c', 1), acct('e', 'b', 2), del('d', 3), del('e', 3));
    store.apply([acct('u', 'a', 4)]);
    store.apply([acct('u', 'c', 5)]); // d's contact is left with nothing
    expect(store.merges).toHaveLength(1);
    store.apply([acct('e', 'c', 2)]); // arrives late: c was e's before u inherited it
    expect(refusalOf(store)).toBe('empty');
  });
});

describe('after an undo, the account’s claims', () => {
  it('are blocked and counted, redelivered or new, and change nothing', () => {
    const store = receive(...MERGED);
    undo(store);
    const before = store.export();
    expect(store.apply([TRIGGER]).inactiveClaims).toEqual({ held: 0, blocked: 1 });
    expect(store.apply([acct('u', 'b', 200)]).inactiveClaims).toEqual({ held: 0, blocked: 1 });
    expect(store.export()).toEqual(before);
    expect(store.problems()).toEqual([]);
  });

  it('merge again when they are unblocked, and this can be undone again', () => {
    const store = receive(...MERGED);
    const merged = store.export();
    undo(store);
    const { merges } = store.apply([{ kind: 'unblock', uid: uidOf('u'), address: addressOf('b').key }]);
    expect(merges).toMatchObject([{ reason: 'claim', at: at(3), announced: true }]);
    expect(store.problems()).toEqual([]);
    expect(store.export()).toEqual(merged);
    undo(store);
    expect(store.problems()).toEqual([]);
  });
});

describe('an undo in a generated history', () => {
  const claimName = (uid: string, address: string, time: number): string => `${uid} ${address} ${time}`;

  it('leaves the export of the same events without the blocked claims, and loses no refusal', () => {
    const seen = { undone: 0 };
    fc.assert(
      fc.property(history(10), fc.nat(), (events, pick) => {
        const store = receive(...events);
        const candidates = store.merges.filter((plan) => store.look(store.undoOf(plan, NOW)) === null);
        const plan = candidates[pick % Math.max(1, candidates.length)];
        if (!plan) return;
        seen.undone += 1;
        const { undone } = undo(store, plan);
        const blocked = new Set(undone[0]?.claims.map(({ uid, address, at }) => claimName(uid, address, at)));
        const isBlocked = (event: ContactEvent): event is ClaimEvent =>
          event.kind === 'claim' && blocked.has(claimName(event.uid, event.address.key, event.at));
        // The newsletters and the locale of the blocked events stay.
        const without = factsOf(events.filter((event) => !isBlocked(event)));
        for (const event of events.filter(isBlocked)) {
          without.addAccount(store.facts.accounts.get(event.uid) ?? { uid: event.uid });
          for (const choice of store.facts.choicesAt({ kind: 'account', key: event.uid })) without.addChoice(choice);
          without.addAddress({
            address: event.address.key,
            typed: { value: event.address.typed, at: event.at },
            profile: {},
          });
        }
        const between = [...store.facts.addresses.keys(), ...store.facts.accounts.keys()].some((key) =>
          (['address', 'account'] as const).some((kind) =>
            [...store.facts.choicesAt({ kind, key })].some(({ act, at }) => act === 'opt_out' && at >= plan.at),
          ),
        );
        if (!between) expect(store.export()).toEqual(canonicalExport(without));
        for (const line of canonicalExport(without).map((text) => JSON.parse(text))) {
          const now = store.export().map((text) => JSON.parse(text));
          const same = now.find((it) => String(it.addresses) === String(line.addresses) && it.account === line.account);
          expect(same).toBeDefined();
          if (line.opted_out) expect(same.opted_out).toBe(true);
        }
      }),
      { numRuns: 6_000, seed: 22 },
    );
    expect(seen.undone).toBeGreaterThan(400);
  });

  it('leads to the same export for any order and repetition of the events after it', () => {
    const seen = { undone: 0 };
    fc.assert(
      fc.property(
        history(8),
        fc.array(contactEvent, { maxLength: 6 }),
        fc.nat(),
        fc.infiniteStream(fc.nat()),
        (events, later, pick, dice) => {
          const first = receive(...events);
          const second = receive(...events);
          const plans = first.merges.filter((plan) => first.look(first.undoOf(plan, NOW)) === null);
          const n = first.merges.indexOf(plans[pick % Math.max(1, plans.length)] as MergePlan);
          if (n < 0) return;
          seen.undone += 1;
          for (const store of [first, second]) undo(store, store.merges[n]);
          const replayed = [...events, ...later];
          first.apply(later);
          for (const event of replayed.map((it) => [dice.next().value, it] as const).sort(([a], [b]) => a - b)) {
            second.apply([event[1]]);
            expect(second.problems()).toEqual([]);
          }
          expect(second.export()).toEqual(first.export());
        },
      ),
      { numRuns: 4_000, seed: 23 },
    );
    expect(seen.undone).toBeGreaterThan(150);
  });
});
