/** Observe mode in the pure domain: **Claims that take an address are held** until an operator decides. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { ReleaseCommand } from '../../src/contacts/merge/command';
import { observer } from '../../src/contacts/merge/rollout';
import { acct, addressOf, at, del, optout, signup, uidOf } from '../support/events';
import { history, shuffledBatches } from '../support/histories';
import { MemoryStore } from '../support/memory-store';

const observing = (): MemoryStore => new MemoryStore('address', () => true);

function receive(store: MemoryStore, ...events: ContactEvent[]): MemoryStore {
  for (const event of events) store.apply([event]);
  expect(store.problems()).toEqual([]);
  return store;
}

const release = (u: string, a: string): ReleaseCommand => ({
  kind: 'release',
  uid: uidOf(u),
  address: addressOf(a).key,
});
const lines = (store: MemoryStore) => store.export().map((line) => JSON.parse(line));
const held = (store: MemoryStore) =>
  [...store.addressRows.keys()].flatMap((address) =>
    store.facts.claimsOn(address).filter(({ status }) => status === 'held'),
  );

describe('in observe mode, a claim', () => {
  it('on an address with a contact is held, and the rest of its event counts', () => {
    const store = receive(observing(), acct('u', 'a', 1), signup('b', ['x'], 2));
    const changes = store.apply([acct('u', 'b', 3, { newsletters: ['in-account'] })]);
    expect([changes.merges, changes.inactiveClaims]).toEqual([[], { held: 1, blocked: 0 }]);
    expect(lines(store)).toMatchObject([
      { addresses: ['a@mail.test'], newsletters: { 'in-account': 'subscribed' } },
      { addresses: ['b@mail.test'], account: null },
    ]);
    expect(store.problems()).toEqual([]);
  });

  it('on an unknown address is active, and so is one that joins a contact: both take nothing', () => {
    const store = receive(observing(), acct('u', 'a', 1), signup('b', ['x'], 2), acct('v', 'b', 3));
    expect(held(store)).toEqual([]);
    expect(store.merges).toEqual([]);
    expect(lines(store)).toMatchObject([
      { account: uidOf('u') },
      { account: uidOf('v'), newsletters: { x: 'subscribed' } },
    ]);
  });

  it('that loses to a later claim takes nothing and is active', () => {
    const store = receive(observing(), acct('u', 'a', 5), acct('v', 'a', 3));
    expect(held(store)).toEqual([]);
  });

  it('on an address of another live account is held', () => {
    const store = receive(observing(), acct('u', 'a', 1), acct('v', 'b', 1), acct('v', 'a', 3));
    expect(held(store)).toMatchObject([{ uid: uidOf('v'), at: at(3) }]);
    expect(lines(store)).toMatchObject([{ account: uidOf('u'), addresses: ['a@mail.test'] }, { account: uidOf('v') }]);
  });

  it('that is the only one of its account leaves it a contact without addresses and needs no review', () => {
    const store = receive(observing(), acct('u', 'a', 1));
    const { reviews } = store.apply([acct('v', 'a', 3)]);
    expect(reviews).toEqual([]);
    expect(lines(store)).toMatchObject([{ addresses: [], account: uidOf('v') }, { account: uidOf('u') }]);
  });

  it('that is held stays one held claim when it is redelivered', () => {
    const store = receive(observing(), acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3));
    expect(store.apply([acct('u', 'b', 3)])).toMatchObject({ claims: [], inactiveClaims: { held: 1 } });
    expect(held(store)).toHaveLength(1);
  });
});

describe('a released claim', () => {
  it('merges like an active one, and the merge names the event that carried the claim', () => {
    const events = [acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3)];
    const store = receive(observing(), ...events);
    const { merges, emailChanges, statusChanges } = store.apply([release('u', 'b')]);
    expect(merges).toMatchObject([
      { reason: 'claim', at: at(3), announced: true, trigger: { source: 'fxa', event: 'primaryEmailChanged' } },
    ]);
    expect(emailChanges).toMatchObject([{ former: 'a@mail.test', cause: { at: at(3) } }]);
    expect(statusChanges).toMatchObject([{ status: 'active' }]);
    expect(store.problems()).toEqual([]);
    expect(store.export()).toEqual(receive(new MemoryStore(), ...events).export());
  });

  it('takes nothing when another account has a later claim', () => {
    const store = receive(observing(), signup('b', ['x'], 2), acct('u', 'a', 1), acct('u', 'b', 3));
    store.observes = () => false;
    store.apply([acct('v', 'b', 9)]);
    expect(store.apply([release('u', 'b')]).merges).toEqual([]);
    expect(store.problems()).toEqual([]);
  });

  it('leads to a review of its account when that is left without an address', () => {
    const store = receive(observing(), acct('v', 'a', 1), acct('u', 'a', 2));
    store.observes = () => false;
    store.apply([acct('w', 'a', 3)]);
    expect(store.apply([release('u', 'a')]).reviews).toMatchObject([{ uid: uidOf('u'), former: null }]);
  });

  it('changes nothing when no such claim is held', () => {
    const store = receive(observing(), acct('u', 'a', 1));
    const { contacts, merges, statusChanges } = store.apply([release('u', 'a'), release('nobody', 'nowhere')]);
    expect([contacts, merges, statusChanges]).toEqual([{ created: [], changed: [] }, [], []]);
  });
});

describe('the rollout', () => {
  const uids = Array.from({ length: 2_000 }, (_, i) => uidOf(`user-${i}`));

  it('merges about the configured share of accounts, and every account that merges at a lower percentage', () => {
    const merging = (mergePercent: number) => uids.filter((uid) => !observer({ mergeMode: 'on', mergePercent })(uid));
    expect(merging(0)).toEqual([]);
    expect(merging(100)).toEqual(uids);
    const [few, half] = [merging(5), merging(50)];
    expect(few.length / uids.length).toBeCloseTo(0.05, 1);
    expect(half.length / uids.length).toBeCloseTo(0.5, 1);
    expect(few.every((uid) => half.includes(uid))).toBe(true);
  });

  it('merges no account in observe mode, whatever the percentage', () => {
    expect(uids.some((uid) => !observer({ mergeMode: 'observe', mergePercent: 100 })(uid))).toBe(false);
  });

  it('leads to the same contacts, once all held claims are released, as if none had been held', () => {
    const seen = { held: 0 };
    fc.assert(
      fc.property(history().chain(shuffledBatches), fc.constantFrom('u1', 'u2', 'u3', 'u4'), (batches, merging) => {
        const [half, all] = [new MemoryStore('address', (uid) => uid !== uidOf(merging)), new MemoryStore()];
        for (const batch of batches) {
          half.apply(batch);
          all.apply(batch);
          if (half.problems().length > 0) expect(half.problems()).toEqual([]);
        }
        const waiting = held(half);
        seen.held += waiting.length;
        for (const { uid, address } of waiting) half.apply([{ kind: 'release', uid, address }]);
        expect(half.problems()).toEqual([]);
        expect(half.export()).toEqual(all.export());
      }),
      { numRuns: 2_500, seed: 5 },
    );
    expect(seen.held).toBeGreaterThan(400);
  });
});

describe('in observe mode, a deletion', () => {
  it('of an account whose only claim is held closes its contact and merges nothing', () => {
    const store = receive(observing(), acct('v', 'a', 1), acct('u', 'a', 3));
    const contact = store.accountRows.get(uidOf('u')) as string;
    expect(store.apply([del('u', 4)]).merges).toEqual([]);
    expect(store.contacts.get(contact)?.state).toBe('closed');
    expect(store.problems()).toEqual([]);
  });

  it('that arrives late merges as usual', () => {
    const store = receive(observing(), acct('u1', 'a', 1), optout('a', 2));
    store.observes = () => false;
    store.apply([acct('u2', 'a', 5)]);
    store.observes = () => true;
    expect(store.apply([del('u1', 4)]).merges).toMatchObject([{ reason: 'deletion' }]);
    expect(store.problems()).toEqual([]);
  });
});
