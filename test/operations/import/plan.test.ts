/** The pure import: records in any order, and events on imported contacts. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalExport } from '../../../src/contacts/profile/canonical';
import { ACCOUNT_ADDRESS_CLAIM, since } from '../../../src/operations/import/record';
import { acct, addressOf, at, signup, uidOf } from '../../support/events';
import { contactEvent } from '../../support/histories';
import { factsOf, MemoryStore } from '../../support/memory-store';
import { addRecords, factsOfRecords, idOf, newsletter, recordOf, type Said, tokenOf } from '../../support/records';

const heldIn = (store: MemoryStore) =>
  [...store.addressRows.keys()].flatMap((address) =>
    store.facts.claimsOn(address).filter(({ status }) => status === 'held'),
  );
const contactAt = (store: MemoryStore, name: string) => store.addressRows.get(addressOf(name).key);

function imported(...batches: Said[][]) {
  const store = new MemoryStore();
  const admissions = batches.map((batch) => store.import(batch.map(recordOf)));
  expect(store.problems()).toEqual([]);
  return { store, admissions };
}

function release(store: MemoryStore): void {
  for (const { uid, address } of heldIn(store)) store.apply([{ kind: 'release', uid, address }]);
  expect(store.problems()).toEqual([]);
}

/** CTMS issue 1017: the account's address is another record's. */
const COLLIDING: Said[] = [
  { a: 'a', u: 'u', p: 'b', made: 1, written: 9 },
  { a: 'b', made: 5, newsletters: [newsletter('x', true, 5)] },
];

describe('an imported record', () => {
  it('keeps its id and its token', () => {
    const { store } = imported([{ a: 'a' }, { a: 'b', u: 'u' }]);
    expect([contactAt(store, 'a'), contactAt(store, 'b')]).toEqual([idOf('a'), idOf('b')]);
    expect([store.liveToken(idOf('a')), store.liveToken(idOf('b'))]).toEqual([tokenOf('a'), tokenOf('b')]);
    expect(store.accountRows.get(uidOf('u'))).toBe(idOf('b'));
  });

  it('gets a token if it has none', () => {
    const { store } = imported([{ a: 'a', token: null }]);
    expect(store.liveToken(idOf('a'))).toBeDefined();
    expect(store.import([recordOf({ a: 'a', token: null })])).toEqual(['known']);
  });

  it.each([
    ['the account first', COLLIDING, []],
    ['the address first', [...COLLIDING].reverse(), []],
    ['in two batches, the account first', COLLIDING.slice(0, 1), COLLIDING.slice(1)],
    ['in two batches, the address first', COLLIDING.slice(1), COLLIDING.slice(0, 1)],
  ])('never merges with another: a claim on its address is held; %s', (_, first, second) => {
    const { store } = imported(first, second);
    expect(store.merges).toEqual([]);
    expect(heldIn(store)).toMatchObject([{ uid: uidOf('u'), event: ACCOUNT_ADDRESS_CLAIM, at: at(9) }]);
    expect([contactAt(store, 'a'), contactAt(store, 'b')]).toEqual([idOf('a'), idOf('b')]);
    expect(store.liveToken(idOf('b'))).toBe(tokenOf('b'));
    release(store);
    expect(store.merges).toMatchObject([{ survivorId: idOf('a'), retiredId: idOf('b'), announced: true }]);
    expect(store.liveToken(idOf('a'))).toBe(tokenOf('b')); // mail at the primary address carries it
  });

  it('gives its account another unclaimed address, as the primary one', () => {
    const { store } = imported([{ a: 'a', u: 'u', p: 'New' }]);
    expect(store.export().map((line) => JSON.parse(line))).toMatchObject([
      { addresses: ['a@mail.test', 'new@mail.test'], primary: 'new@mail.test' },
    ]);
  });

  it('does not take its address from a contact that got it by a live event: the contact is known, and the record’s token dropped', () => {
    const store = new MemoryStore();
    store.apply([acct('u', 'own', 1)]);
    store.apply([acct('u', 'b', 2)]);
    expect(store.import([recordOf({ a: 'b', email: { has_opted_out_of_email: true } })])).toEqual(['address_taken']);
    expect(JSON.parse(store.export()[0] as string)).toMatchObject({ opted_out: true });
    expect(store.tokens.has(tokenOf('b'))).toBe(false);
    expect(store.problems()).toEqual([]);
  });

  it.each([
    ['the id of another', [{ a: 'a' }], { a: 'b', id: 'a' }, 'email_id_taken'],
    ['the token of another', [{ a: 'a' }], { a: 'b', token: 'a' }, 'basket_token_taken'],
    ['the address of another', [{ a: 'a' }], { a: 'A', id: 'b', token: 'b' }, 'address_taken'],
    ['another token than before', [{ a: 'a' }], { a: 'a', token: 'new' }, 'token_changed'],
  ] as [string, Said[], Said, string][])(
    'with %s is not another contact, in one batch or in two',
    (_, first, second, conflict) => {
      expect(imported(first, [second]).admissions[1]).toEqual([conflict]);
      expect(imported([...first, second]).admissions[0]?.at(-1)).toBe(conflict);
    },
  );

  it('changes nothing the second time, even if its contact has been merged into another', () => {
    const { store } = imported(COLLIDING);
    release(store);
    const before = [store.export(), [...store.tokens], store.merges.length];
    expect(store.import(COLLIDING.map(recordOf))).toEqual(['known', 'known']);
    expect([store.export(), [...store.tokens], store.merges.length]).toEqual(before);
  });

  it('of a deleted account that claims another record’s address leaves the account without a contact', () => {
    const { store } = imported([{ a: 'b', made: 5 }], [{ a: 'a', u: 'u', p: 'b', deleted: true, made: 1, written: 9 }]);
    expect(heldIn(store)).toHaveLength(1);
    expect(store.facts.deletedAt(uidOf('u'))).toBe(at(9));
  });

  it('of a stored account applies its deletion by the rules of events', () => {
    const store = new MemoryStore();
    store.apply([acct('u', 'own', 1), signup('a', ['x'], 1)]);
    store.import([recordOf({ a: 'c', u: 'u', deleted: true, made: 2, written: 3 })]);
    expect(store.facts.deletedAt(uidOf('u'))).toBe(at(3));
    expect(store.problems()).toEqual([]);
  });
});

describe('an erased person', () => {
  const record = recordOf({ a: 'a', u: 'u', p: 'b', made: 1, written: 9, newsletters: [newsletter('x', true, 3)] });
  it('does not return with a record that was not written after the erasure', () => {
    expect(since(record, at(9))).toBeNull();
  });
  it('returns with a record that was written later, without its older facts', () => {
    const left = since(record, at(4));
    expect([left?.choices, left?.account?.claims]).toMatchObject([[], [{ address: addressOf('b') }]]);
    expect(since(record, at(0))).toBe(record);
  });
});

const NAMES = ['a', 'b', 'c', 'd'];
const said: fc.Arbitrary<Said> = fc.record(
  {
    a: fc.constantFrom(...NAMES),
    u: fc.constantFrom('u1', 'u2', 'u3'),
    p: fc.constantFrom(...NAMES, 'e', 'f'),
    made: fc.integer({ min: 1, max: 6 }),
    written: fc.integer({ min: 1, max: 12 }),
    deleted: fc.boolean(),
    newsletters: fc.array(
      fc
        .tuple(fc.constantFrom('n1', 'n2'), fc.boolean(), fc.integer({ min: 1, max: 12 }))
        .map(([name, subscribed, t]) => newsletter(name, subscribed, t)),
      { maxLength: 2 },
    ),
    email: fc.record({ has_opted_out_of_email: fc.boolean(), double_opt_in: fc.boolean() }),
  },
  { requiredKeys: ['a', 'made', 'written', 'newsletters', 'email'] },
);

describe('generated records', () => {
  const uniqueRecords = fc.uniqueArray(said, { selector: ({ a }) => a, minLength: 1, maxLength: 4 });
  /** As CTMS has them: no account twice. */
  const ownAccounts = uniqueRecords.map((records) =>
    records.map((record) => (record.u === undefined ? record : { ...record, u: `u-${record.a}` })),
  );
  const inBatches = (records: Said[]) =>
    fc.tuple(
      fc.shuffledSubarray(records, { minLength: records.length }),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    );
  const cut = (order: Said[], cuts: boolean[]): Said[][] => {
    const batches: Said[][] = [[]];
    for (const [i, record] of order.entries()) {
      if (cuts[i]) batches.push([]);
      batches.at(-1)?.push(record);
    }
    return batches;
  };

  it('keep every id and token and merge nothing, in any order and batches; after a release of all claims they end like events', () => {
    fc.assert(
      fc.property(
        ownAccounts.chain((records) => fc.tuple(fc.constant(records), inBatches(records))),
        ([records, [order, cuts]]) => {
          const store = new MemoryStore();
          for (const batch of cut(order, cuts)) {
            for (const admission of store.import(batch.map(recordOf))) expect(admission).toBe('new');
            expect(store.problems()).toEqual([]);
          }
          expect(store.merges).toEqual([]);
          for (const { a } of records)
            expect([a, store.contacts.has(idOf(a)), store.tokens.has(tokenOf(a))]).toEqual([a, true, true]);
          const again = JSON.stringify([store.export(), [...store.tokens]]);
          store.import(order.map(recordOf));
          expect(JSON.stringify([store.export(), [...store.tokens]])).toBe(again);
          release(store);
          expect(store.export()).toEqual(canonicalExport(factsOfRecords(records.map(recordOf))));
        },
      ),
      { numRuns: 800, seed: 6 },
    );
  });

  it('converge with live events before and after them, as events do', () => {
    fc.assert(
      fc.property(
        uniqueRecords,
        fc.array(contactEvent, { maxLength: 5 }),
        fc.array(contactEvent, { maxLength: 5 }),
        (records, before, after) => {
          const store = new MemoryStore();
          for (const event of before) store.apply([event]);
          for (const record of records) {
            store.import([recordOf(record)]);
            expect(store.problems()).toEqual([]);
          }
          for (const event of after) store.apply([event]);
          release(store);
          expect(store.export()).toEqual(
            canonicalExport(addRecords(factsOf([...before, ...after]), records.map(recordOf))),
          );
        },
      ),
      { numRuns: 600, seed: 7 },
    );
  });
});
