/** What is told besides merges: a primary address that changed, a live account that is left without one. */
import { describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { acct, addressOf, at, del, signup, uidOf } from '../support/events';
import { MemoryStore } from '../support/memory-store';

const key = (name: string): string => addressOf(name).key;

/** What the last batch tells, after the others. */
function told(...batches: ContactEvent[][]) {
  const store = new MemoryStore();
  for (const batch of batches.slice(0, -1)) store.apply(batch);
  const contactOf = (name: string) => store.accountRows.get(uidOf(name));
  const { emailChanges, reviews } = store.apply(batches.at(-1) as ContactEvent[]);
  expect(store.problems()).toEqual([]);
  return { emailChanges, reviews, contactOf };
}

describe('contact.email_changed', () => {
  it('tells of another primary address, with the event that made it so', () => {
    const { emailChanges, reviews, contactOf } = told([acct('u', 'a', 1)], [acct('u', 'b', 2)]);
    expect(emailChanges).toEqual([
      {
        contactId: contactOf('u'),
        former: key('a'),
        cause: { at: at(2), trigger: expect.objectContaining({ event: 'primaryEmailChanged' }) },
      },
    ]);
    expect(reviews).toEqual([]);
  });

  it('comes once for a contact and a batch, from what it was before to what it is after', () => {
    const batch = [acct('u', 'b', 2), acct('u', 'c', 3), acct('u', 'd', 4)];
    const { emailChanges } = told([acct('u', 'a', 1)], batch);
    expect(emailChanges).toMatchObject([{ former: key('a'), cause: { at: at(4) } }]);
  });

  it.each([
    ['there and back within a batch', [acct('u', 'b', 2), acct('u', 'a', 3)]],
    ['a repeated event', [acct('u', 'a', 1)]],
    ['a change of letter case alone', [acct('u', 'A@Mail.Test', 2)]],
    ['an older claim', [acct('u', 'b', 0.5)]],
    ['a sign-up', [signup('b', ['x'], 2)]],
    ['a deletion', [del('u', 9)]],
  ])('is not told of %s', (_, batch) => {
    const { emailChanges, reviews } = told([acct('u', 'a', 1)], batch);
    expect([emailChanges, reviews]).toEqual([[], []]);
  });

  it('is not told of a contact that nobody has seen yet', () => {
    expect(told([acct('u', 'a', 1), acct('u', 'b', 2)]).emailChanges).toEqual([]);
  });

  it('tells both sides of a swap', () => {
    const { emailChanges, contactOf } = told(
      [acct('u', 'a', 1), acct('v', 'b', 1)],
      [acct('u', 'b', 2), acct('v', 'a', 2)],
    );
    expect(emailChanges).toMatchObject([
      { contactId: contactOf('u'), former: key('a') },
      { contactId: contactOf('v'), former: key('b') },
    ]);
  });

  it('tells whoever falls back on another of their addresses', () => {
    const { emailChanges, contactOf } = told([acct('u', 'a', 1), acct('u', 'b', 2)], [acct('v', 'b', 3)]);
    expect(emailChanges).toMatchObject([{ contactId: contactOf('u'), former: key('b'), cause: { at: at(3) } }]);
  });

  it('tells of the first address of an account that had none', () => {
    const { emailChanges, contactOf } = told([acct('v', 'a', 5)], [acct('u', 'a', 1)], [acct('u', 'b', 6)]);
    expect(emailChanges).toMatchObject([{ contactId: contactOf('u'), former: null }]);
  });
});

describe('contact.review_needed', () => {
  it('tells of a live account that lost its last address, once', () => {
    const { reviews, emailChanges, contactOf } = told([acct('u', 'a', 1)], [acct('v', 'a', 2)]);
    expect(reviews).toMatchObject([
      { contactId: contactOf('u'), uid: uidOf('u'), former: key('a'), cause: { at: at(2) } },
    ]);
    expect(emailChanges).toEqual([]);
    expect(told([acct('u', 'a', 1)], [acct('v', 'a', 2)], [acct('v', 'a', 3)]).reviews).toEqual([]);
  });

  it('tells of a live account that is first heard of by a claim that loses', () => {
    expect(told([acct('v', 'a', 2)], [acct('u', 'a', 1)]).reviews).toMatchObject([{ uid: uidOf('u'), former: null }]);
    expect(told([acct('v', 'a', 2), acct('u', 'a', 1)]).reviews).toMatchObject([{ uid: uidOf('u'), former: null }]);
  });

  it('is not told of an account that is deleted, or that has an address again when the batch ends', () => {
    expect(told([acct('u', 'a', 1), del('u', 9)], [acct('v', 'a', 2)]).reviews).toEqual([]);
    expect(told([acct('u', 'a', 1)], [acct('v', 'a', 2), acct('u', 'c', 3)]).reviews).toEqual([]);
  });
});
