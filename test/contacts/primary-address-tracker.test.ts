/** Changes of the primary address, and live accounts left without an address. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { isLive, primaryOf } from '../../src/contacts/identity/ownership';
import { acct, addressOf, at, del, signup, uidOf } from '../support/events';
import { history, shuffledBatches } from '../support/histories';
import { MemoryStore } from '../support/memory-store';

const key = (name: string): string => addressOf(name).key;

/** The changes of the last batch, after the others. */
function changesOf(...batches: ContactEvent[][]) {
  const store = new MemoryStore();
  for (const batch of batches.slice(0, -1)) store.apply(batch);
  const contactOf = (name: string) => store.accountRows.get(uidOf(name));
  const { emailChanges, reviews } = store.apply(batches.at(-1) as ContactEvent[]);
  expect(store.problems()).toEqual([]);
  return { emailChanges, reviews, contactOf };
}

describe('contact.email_changed', () => {
  it('has another primary address, with the event that caused it', () => {
    const { emailChanges, reviews, contactOf } = changesOf([acct('u', 'a', 1)], [acct('u', 'b', 2)]);
    expect(emailChanges).toEqual([
      {
        contactId: contactOf('u'),
        former: key('a'),
        cause: { at: at(2), trigger: expect.objectContaining({ event: 'primaryEmailChanged' }) },
      },
    ]);
    expect(reviews).toEqual([]);
  });

  it('comes once for a contact and a batch, from the address before the batch to the one after', () => {
    const batch = [acct('u', 'b', 2), acct('u', 'c', 3), acct('u', 'd', 4)];
    const { emailChanges } = changesOf([acct('u', 'a', 1)], batch);
    expect(emailChanges).toMatchObject([{ former: key('a'), cause: { at: at(4) } }]);
  });

  it.each([
    ['there and back within a batch', [acct('u', 'b', 2), acct('u', 'a', 3)]],
    ['a repeated event', [acct('u', 'a', 1)]],
    ['a change of letter case alone', [acct('u', 'A@Mail.Test', 2)]],
    ['an older claim', [acct('u', 'b', 0.5)]],
    ['a sign-up', [signup('b', ['x'], 2)]],
    ['a deletion', [del('u', 9)]],
  ])('is not sent after %s', (_, batch) => {
    const { emailChanges, reviews } = changesOf([acct('u', 'a', 1)], batch);
    expect([emailChanges, reviews]).toEqual([[], []]);
  });

  it('is not sent for a contact that is new in the batch', () => {
    expect(changesOf([acct('u', 'a', 1), acct('u', 'b', 2)]).emailChanges).toEqual([]);
  });

  it('is sent for both sides of a swap', () => {
    const { emailChanges, contactOf } = changesOf(
      [acct('u', 'a', 1), acct('v', 'b', 1)],
      [acct('u', 'b', 2), acct('v', 'a', 2)],
    );
    expect(emailChanges).toMatchObject([
      { contactId: contactOf('u'), former: key('a') },
      { contactId: contactOf('v'), former: key('b') },
    ]);
  });

  it('is sent for an account that falls back to another of its addresses', () => {
    const { emailChanges, contactOf } = changesOf([acct('u', 'a', 1), acct('u', 'b', 2)], [acct('v', 'b', 3)]);
    expect(emailChanges).toMatchObject([{ contactId: contactOf('u'), former: key('b'), cause: { at: at(3) } }]);
  });

  it('is sent for the first address of an account that had none', () => {
    const { emailChanges, contactOf } = changesOf([acct('v', 'a', 5)], [acct('u', 'a', 1)], [acct('u', 'b', 6)]);
    expect(emailChanges).toMatchObject([{ contactId: contactOf('u'), former: null }]);
  });
});

describe('contact.review_needed', () => {
  it('is sent once for a live account that lost its last address', () => {
    const { reviews, emailChanges, contactOf } = changesOf([acct('u', 'a', 1)], [acct('v', 'a', 2)]);
    expect(reviews).toMatchObject([
      { contactId: contactOf('u'), uid: uidOf('u'), former: key('a'), cause: { at: at(2) } },
    ]);
    expect(emailChanges).toEqual([]);
    expect(changesOf([acct('u', 'a', 1)], [acct('v', 'a', 2)], [acct('v', 'a', 3)]).reviews).toEqual([]);
  });

  it('is sent for a live account whose first claim loses', () => {
    expect(changesOf([acct('v', 'a', 2)], [acct('u', 'a', 1)]).reviews).toMatchObject([
      { uid: uidOf('u'), former: null },
    ]);
    expect(changesOf([acct('v', 'a', 2), acct('u', 'a', 1)]).reviews).toMatchObject([
      { uid: uidOf('u'), former: null },
    ]);
  });

  it('is not sent for an account that is deleted, or that has an address again when the batch ends', () => {
    expect(changesOf([acct('u', 'a', 1), del('u', 9)], [acct('v', 'a', 2)]).reviews).toEqual([]);
    expect(changesOf([acct('u', 'a', 1)], [acct('v', 'a', 2), acct('u', 'c', 3)]).reviews).toEqual([]);
  });
});

interface State {
  primary: string | null;
  needsReview: boolean;
}

/** The live contacts of a store. */
function statesOf(store: MemoryStore): Map<string, State> {
  const states = new Map<string, State>();
  const live = (id: string | null): id is string => id !== null && store.contacts.get(id)?.state === 'live';
  for (const [address, id] of [...store.addressRows].sort().reverse()) {
    if (live(id)) states.set(id, { primary: address, needsReview: false });
  }
  for (const [uid, id] of store.accountRows) {
    const primary = primaryOf(store.facts, uid);
    const hasHeldClaim = store.facts.claimsBy(uid).some(({ status }) => status === 'held');
    const needsReview = primary === null && isLive(store.facts, uid) && !hasHeldClaim;
    if (live(id)) states.set(id, { primary, needsReview });
  }
  return states;
}

describe('in generated histories', () => {
  it('exactly the contacts whose primary address changed, or that lost their last one, are announced', () => {
    fc.assert(
      fc.property(history(20).chain(shuffledBatches), fc.subarray(['u1', 'u2', 'u3', 'u4']), (batches, observed) => {
        const store = new MemoryStore('address', (uid) => observed.map(uidOf).includes(uid));
        for (const batch of batches) {
          const before = statesOf(store);
          const { emailChanges, reviews } = store.apply(batch);
          const after = [...statesOf(store)];
          const changed = after.filter(([id, { primary }]) => {
            const known = before.get(id);
            return known && primary !== null && primary !== known.primary;
          });
          const bereft = after.filter(([id, { needsReview }]) => needsReview && !before.get(id)?.needsReview);
          expect(emailChanges.map((change) => [change.contactId, change.former]).sort()).toEqual(
            changed.map(([id]) => [id, before.get(id)?.primary]).sort(),
          );
          expect(reviews.map(({ contactId }) => contactId).sort()).toEqual(bereft.map(([id]) => id).sort());
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
