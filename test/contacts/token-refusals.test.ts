/** **Refusals by token stay with every mailbox the token opened**, in the pure domain. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent, NewsletterEvent } from '../../src/contacts/facts/event';
import { type Choice, type Facts, followsPerson, isRefusal, isRefusalAct } from '../../src/contacts/facts/facts';
import { isRefusedBy } from '../../src/contacts/facts/refused';
import { type Person, peopleOf, periodAt } from '../../src/contacts/identity/ownership';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { attributedChoices, withPredecessors } from '../../src/contacts/profile/attribution';
import { type ContactView, contactView } from '../../src/contacts/profile/contact-view';
import { planErasure } from '../../src/operations/erase/plan';
import { acct, addressOf, at, confirm, del, optout, signup, uidOf, unsub } from '../support/events';
import { MemoryStore } from '../support/memory-store';
import { play, story } from '../support/stories';

const key = (name: string): string => addressOf(name).key;

function receive(...events: ContactEvent[]): MemoryStore {
  const store = new MemoryStore();
  for (const event of events) store.apply([event]);
  return store;
}
const viewAt = (store: MemoryStore, name: string): ContactView =>
  contactView(store.facts, peopleOf(store.facts).find(({ addresses }) => addresses.includes(key(name))) as Person);
const stateAt = (store: MemoryStore, name: string, newsletter = 'x') =>
  viewAt(store, name).newsletters.get(newsletter)?.state;
const tokenOf = (store: MemoryStore, u: string): string =>
  store.liveToken(store.accountRows.get(uidOf(u)) as string) as string;
const choicesAt = (store: MemoryStore, name: string): Choice[] => [
  ...store.facts.choicesAt({ kind: 'address', key: key(name) }),
];

describe('a refusal by token', () => {
  it('made while merged stays with the address of the retired side after an undo', () => {
    const store = receive(acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3));
    const plan = store.merges[0] as MergePlan;
    store.apply([unsub({ token: plan.tokenKept as string }, ['x'], 4)]);
    store.apply([store.undoOf(plan, at(9))]);
    expect(stateAt(store, 'b')).toBe('unsubscribed');
  });

  it('stays with an address that falls back to nobody by a late deletion', () => {
    const store = receive(acct('u', 'a', 5), signup('a', ['x'], 6));
    store.apply([optout({ token: tokenOf(store, 'u') }, 7)]);
    store.apply([del('u', 4)]);
    expect(viewAt(store, 'a')).toMatchObject({ account: null, optedOut: true });
  });

  it('is recorded at an address that the contact has lost, if it had the address at that time', () => {
    const store = receive(acct('u1', 'b', 4), acct('u1', 'a', 7), signup('b', ['x'], 7), acct('u2', 'b', 12));
    store.apply([unsub({ token: tokenOf(store, 'u1') }, ['x'], 8)]);
    expect(choicesAt(store, 'b').filter(isRefusal)).toMatchObject([{ act: 'unsubscribe', newsletter: 'x' }]);
    expect(viewAt(store, 'b').newsletters.size).toBe(0);
  });

  it('is not recorded at an address that was in another account’s period at its time', () => {
    const store = receive(acct('u1', 'b', 3), acct('u2', 'a', 4), acct('u2', 'b', 7));
    store.apply([unsub({ token: tokenOf(store, 'u2') }, ['x'], 5)]);
    expect(choicesAt(store, 'b')).toEqual([]);
    expect(choicesAt(store, 'a')).toHaveLength(1);
  });

  it('through a deleted account is that account’s, and never unsubscribes the account that had the address', () => {
    const store = receive(acct('u1', 'b', 3), signup('b', ['x'], 1), acct('u2', 'b', 7), del('u2', 11));
    const token = store.liveToken(store.addressRows.get(key('b')) as string) as string;
    store.apply([unsub({ token }, ['x'], 2)]);
    expect([...store.facts.choicesAt({ kind: 'account', key: uidOf('u2') })]).toHaveLength(1);
    const u1 = contactView(store.facts, { uid: uidOf('u1'), addresses: [] });
    expect(u1.newsletters.get('x')?.state).toBe('subscribed');
  });

  it('leaves its source, reason, language and format at the account only', () => {
    const store = receive(acct('u', 'a', 1));
    const told = { source: 'https://site.test/', reason: 'mine', profile: { lang: 'fr', format: 'T' } };
    store.apply([{ ...unsub({ token: tokenOf(store, 'u') }, ['x'], 2), ...told }]);
    expect(choicesAt(store, 'a')).toMatchObject([{ source: null, reason: null, lang: null, format: null }]);
    expect([...store.facts.choicesAt({ kind: 'account', key: uidOf('u') })]).toMatchObject([
      { source: 'https://site.test/', reason: 'mine', lang: 'fr', format: 'T' },
    ]);
  });
});

it('a subscription or confirmation by token without a live account is dropped if the address was another account’s then', () => {
  const store = receive(acct('u1', 'b', 3), acct('u2', 'b', 7), del('u2', 11));
  const token = store.liveToken(store.addressRows.get(key('b')) as string) as string;
  store.apply([signup({ token }, ['x'], 2), confirm({ token }, 2)]);
  expect(choicesAt(store, 'b')).toEqual([]);
  store.apply([signup({ token }, ['x'], 8)]);
  expect(stateAt(store, 'b')).toBe('subscribed');
});

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const numRuns = Number(process.env.HISTORIES ?? 1_000);

/** A subscription that was a contact's when the contact refused it by token. */
interface Refused {
  subscription: Choice;
  uid: string | null;
}

const nameOf = ({ uid, addresses }: Person): string => uid ?? (addresses[0] as string);
const people = (facts: Facts): Map<string, Person> =>
  new Map(peopleOf(facts).map((person) => [nameOf(person), person]));
const isSubscribed = (view: ContactView, name: string): boolean => view.newsletters.get(name)?.state === 'subscribed';

describe(`generated histories with messages by token (SEED=${seed})`, () => {
  it(
    'no subscription that was refused by token comes back, unless it turns out to be another account’s',
    () => {
      let seen = 0;
      fc.assert(
        fc.property(story, (steps) => {
          const refused: Refused[] = [];
          const { facts } = play(steps, (event, person, { facts }, apply) => {
            if (isRefusalAct(event.act)) {
              for (const subscription of attributedChoices(facts, person).keys()) {
                const names = isNamedBy(event, subscription.newsletter);
                const isMade = subscription.act === 'subscribe' && subscription.at <= event.at;
                if (names && isMade && opens(facts, person, subscription.origin, event.at)) {
                  refused.push({ subscription, uid: person.uid });
                }
              }
            }
            apply();
          });
          seen += refused.length;
          for (const person of peopleOf(facts)) {
            const view = contactView(facts, person);
            const attributed = [...attributedChoices(facts, person).keys()];
            for (const { subscription, uid } of refused) {
              const { origin, newsletter, at } = subscription;
              if (
                !attributed.some(
                  (choice) => choice.origin.key === origin.key && choice.newsletter === newsletter && choice.at === at,
                )
              )
                continue;
              if (!isSubscribed(view, newsletter) || view.newsletters.get(newsletter)?.chosenAt !== at) continue;
              const also = attributed.filter(
                (choice) => choice.act === 'subscribe' && choice.newsletter === newsletter && choice.at === at,
              );
              if (also.length > 1) continue; // a subscription at the same time elsewhere
              const period = origin.kind === 'address' ? periodAt(facts, origin.key, at) : undefined;
              const isAnothers = period && period.uid !== uid && period.owner !== uid;
              if (!isAnothers) expect({ revived: subscription, of: uid, at: person }).toBeNull();
            }
          }
        }),
        { numRuns, seed },
      );
      expect(seen).toBeGreaterThan(numRuns / 4);
    },
    60_000 + 20 * numRuns,
  );

  it(
    'a message by token subscribes nobody else, a repeated one changes nothing, and a refusal only reaches its successors',
    () => {
      fc.assert(
        fc.property(story, (steps) => {
          play(steps, (event, person, { facts }, apply) => {
            const others = new Map([...people(facts)].filter(([name]) => name !== nameOf(person)));
            const before = new Map([...others].map(([name, other]) => [name, contactView(facts, other)]));
            apply();
            const relatives = relativesOf(facts, person);
            const isShared = event.act === 'opt_out' && [...facts.undone].length > 0; // both sides of an undone merge
            const after = new Map([...others].map(([name, other]) => [name, contactView(facts, other)]));
            for (const [name, view] of after) {
              const was = before.get(name) as ContactView;
              const added = [...view.newsletters.keys()].filter(
                (it) => isSubscribed(view, it) && !isSubscribed(was, it),
              );
              if (added.length > 0 || (was.optedOut && !view.optedOut) || (view.doubleOptIn && !was.doubleOptIn)) {
                expect({ event, of: person, changed: name, added }).toBeNull();
              }
              if (!isShared && !relatives.has(name) && text(view) !== text(was))
                expect({ event, of: person, changed: name }).toBeNull();
            }
            const all = dump(facts);
            apply();
            expect(dump(facts)).toBe(all);
          });
        }),
        { numRuns, seed },
      );
    },
    60_000 + 20 * numRuns,
  );

  it(
    'no text of a refusal by token is left once its reader is erased',
    () => {
      fc.assert(
        fc.property(story, fc.nat(), (steps, pick) => {
          const said = new Map<string, Set<string>>();
          const { facts, merges } = play(steps, (event, { uid }, _, apply) => {
            const texts = uid === null ? [] : [...(said.get(uid) ?? []), event.reason as string];
            if (uid !== null && followsPerson(event)) said.set(uid, new Set(texts));
            apply();
          });
          const readers = peopleOf(facts).filter(({ uid }) => uid !== null && said.has(uid));
          const reader = readers[pick % Math.max(1, readers.length)];
          if (!reader) return;
          let n = 0;
          const all = new Set(merges.map(({ id }) => id));
          const { left } = planErasure(facts, reader, { now: at(100), newName: () => `name-${n++}`, merges: all });
          const remaining = dump(left);
          for (const it of said.get(reader.uid as string) ?? []) expect(remaining).not.toContain(`"${it}"`);
        }),
        { numRuns, seed },
      );
    },
    60_000 + 20 * numRuns,
  );
});

const isNamedBy = ({ act, newsletters, refused }: NewsletterEvent, newsletter: string): boolean =>
  act === 'set'
    ? refused !== undefined && isRefusedBy(refused, newsletter)
    : act === 'opt_out' || newsletters.includes(newsletter);

/** Whether a contact's token opened an account or mailbox at a time. */
function opens(facts: Facts, { uid, addresses }: Person, { kind, key }: Choice['origin'], at: number): boolean {
  if (uid === null || kind === 'account') return kind === 'account' ? key === uid : addresses.includes(key);
  const period = periodAt(facts, key, at);
  return period?.uid === uid || period?.owner === uid;
}

/** The successors of a common predecessor: a refusal of this person can count for them as well. */
function relativesOf(facts: Facts, { uid }: Person): Set<string> {
  const family = new Set(uid === null ? [] : withPredecessors(facts, uid));
  const isRelative = (other: string): boolean => withPredecessors(facts, other).some((account) => family.has(account));
  return new Set([...facts.accounts.keys()].filter(isRelative));
}

const text = ({ optedOut, doubleOptIn, newsletters }: ContactView): string =>
  JSON.stringify({ optedOut, doubleOptIn, newsletters: [...newsletters] });

/** All choices as text. */
const dump = (facts: Facts): string =>
  JSON.stringify([
    [...facts.addresses.keys()].map((address) => [...facts.choicesAt({ kind: 'address', key: address })]),
    [...facts.accounts.keys()].map((uid) => [...facts.choicesAt({ kind: 'account', key: uid })]),
  ]);
