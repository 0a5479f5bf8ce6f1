/** **Exactly these newsletters**: a set equals the same history with the set written out as sign-ups and unsubscriptions. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent, NewsletterEvent } from '../../src/contacts/facts/event';
import type { Facts } from '../../src/contacts/facts/facts';
import { isRefusedBy } from '../../src/contacts/facts/refused';
import { type Person, peopleOf } from '../../src/contacts/identity/ownership';
import type { MergePlan } from '../../src/contacts/merge/merge';
import { type ContactView, contactView } from '../../src/contacts/profile/contact-view';
import { planErasure } from '../../src/operations/erase/plan';
import { acct, addressOf, at, confirm, del, exactly, optout, signup, uidOf, unsub } from '../support/events';
import { history, permutations } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';
import { play, story } from '../support/stories';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const numRuns = Number(process.env.HISTORIES ?? 1_000);

function viewIn(facts: Facts, name: string): ContactView {
  const { key } = addressOf(name);
  return contactView(facts, peopleOf(facts).find(({ addresses }) => addresses.includes(key)) as Person);
}
const subscribedIn = ({ newsletters }: ContactView): string[] =>
  [...newsletters].flatMap(([name, { state }]) => (state === 'subscribed' ? name : []));

/** Who is subscribed to what, in every order of arrival. */
function outcomeOf(...events: ContactEvent[]): Record<string, string> {
  const outcomes = [...permutations(events)].map((order) => {
    const { newsletters } = viewIn(factsOf(order), 'a');
    return Object.fromEntries([...newsletters].map(([name, { state, since }]) => [name, `${state} ${since - at(0)}`]));
  });
  for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  return outcomes[0] as Record<string, string>;
}

describe('a set', () => {
  it('subscribes to what it lists, and ends every other subscription that was made by then', () => {
    expect(outcomeOf(signup('a', ['x', 'y'], 1), exactly('a', ['y', 'z'], 2), signup('a', ['w'], 3))).toEqual({
      w: 'subscribed 3000',
      x: 'unsubscribed 2000',
      y: 'subscribed 1000',
      z: 'subscribed 2000',
    });
  });

  it('among the newsletters that a page showed leaves the others alone', () => {
    const events = [signup('a', ['x', 'y', 'hidden'], 1), exactly('a', ['y'], 2, { among: ['x', 'y'] })];
    expect(subscribedIn(viewIn(factsOf(events), 'a'))).toEqual(['hidden', 'y']);
  });

  it('with an empty list ends everything, and is not an opt-out', () => {
    const view = viewIn(factsOf([signup('a', ['x', 'y'], 1, { optin: true }), exactly('a', [], 2)]), 'a');
    expect([subscribedIn(view), view.optedOut, view.doubleOptIn]).toEqual([[], false, true]);
  });

  it('gives no state to a newsletter without any other choice', () => {
    const events = [exactly('a', ['x'], 2, { among: ['x', 'y'] }), exactly('a', ['x'], 3)];
    expect([...viewIn(factsOf(events), 'a').newsletters.keys()]).toEqual(['x']);
  });

  it('of two at one time, leaves only what both list', () => {
    const before = signup('a', ['x', 'y', 'z'], 1);
    expect(outcomeOf(before, exactly('a', ['x', 'y'], 2), exactly('a', ['y', 'z'], 2))).toMatchObject({
      x: 'unsubscribed 2000',
      y: 'subscribed 1000',
      z: 'unsubscribed 2000',
    });
    expect(outcomeOf(before, exactly('a', [], 2, { among: ['x'] }), exactly('a', ['x', 'z'], 2))).toMatchObject({
      x: 'unsubscribed 2000',
      y: 'unsubscribed 2000',
      z: 'subscribed 1000',
    });
  });

  it('wins over a sign-up of the same time that it does not list, which then proves nothing', () => {
    const events = [optout('a', 1), signup('a', ['x'], 2, { optin: true }), exactly('a', ['y'], 2)];
    const view = viewIn(factsOf(events), 'a');
    expect([view.optedOut, view.doubleOptIn, subscribedIn(view)]).toEqual([true, false, []]);
    expect(outcomeOf(...events)).toMatchObject({ x: 'unsubscribed 2000' });
  });

  it('without proof, made while opted out, subscribes only with a confirmation; what it refuses ends at once', () => {
    const events = [signup('a', ['x'], 1), optout('a', 2), exactly('a', ['y'], 3)];
    expect(viewIn(factsOf(events), 'a').newsletters.get('y')).toMatchObject({ by: 'unconfirmed' });
    expect(outcomeOf(...events, confirm('a', 4))).toEqual({ x: 'unsubscribed 3000', y: 'subscribed 4000' });
  });

  it('counts for the next account of a deleted one', () => {
    const events = [
      acct('u1', 'a', 1),
      signup('a', ['x'], 2),
      exactly('a', ['y'], 3),
      del('u1', 4),
      acct('u2', 'a', 5),
    ];
    expect(outcomeOf(...events)).toEqual({ x: 'unsubscribed 3000', y: 'subscribed 3000' });
  });

  it('of the other side of a merge ends what its reader never saw, until the merge is undone', () => {
    const store = new MemoryStore();
    for (const event of [acct('u', 'b', 1), signup('a', ['x'], 2), exactly('b', ['y'], 3), acct('u', 'a', 4)]) {
      store.apply([event]);
    }
    expect(subscribedIn(viewIn(store.facts, 'a'))).toEqual(['y']);
    store.apply([store.undoOf(store.merges[0] as MergePlan, at(9))]);
    expect(subscribedIn(viewIn(store.facts, 'a'))).toEqual(['x']);
    expect(subscribedIn(viewIn(store.facts, 'b'))).toEqual(['y']);
  });
});

describe('a set by token', () => {
  const tokenOf = (store: MemoryStore, u: string): string =>
    store.liveToken(store.accountRows.get(uidOf(u)) as string) as string;

  it('subscribes the account, and ends the rest at every mailbox, so that an undo brings none of it back', () => {
    const store = new MemoryStore();
    for (const event of [acct('u', 'a', 1), signup('b', ['x'], 2), acct('u', 'b', 3)]) store.apply([event]);
    store.apply([{ ...exactly({ token: tokenOf(store, 'u') }, ['y'], 4), source: 'https://site.test/' }]);
    expect(subscribedIn(viewIn(store.facts, 'a'))).toEqual(['y']);
    store.apply([store.undoOf(store.merges[0] as MergePlan, at(9))]);
    expect(subscribedIn(viewIn(store.facts, 'b'))).toEqual([]);
    expect(subscribedIn(viewIn(store.facts, 'a'))).toEqual(['y']);
    const [copy] = [...store.facts.choicesAt({ kind: 'address', key: addressOf('b').key })].slice(-1);
    expect(copy).toMatchObject({ act: 'set', source: null, refused: { all_but: ['y'] } });
  });
});

describe(`generated histories with sets (SEED=${seed})`, () => {
  const NAMES = ['n1', 'n2'];

  /** A set as the two events that it stands for, in a world of two newsletters. */
  function writtenOut(event: ContactEvent): ContactEvent[] {
    if (event.kind !== 'newsletter' || event.act !== 'set') return [event];
    const { refused, ...rest } = event;
    const names = NAMES.filter((name) => refused && isRefusedBy(refused, name));
    const two: NewsletterEvent[] = [
      { ...rest, act: 'subscribe', reason: undefined },
      { ...rest, act: 'unsubscribe', newsletters: names, proven: false, profile: {} },
    ];
    return two;
  }

  /** What a set and its written-out form must agree on. */
  const essenceOf = (facts: Facts): string[] =>
    peopleOf(facts).map((person) => {
      const { addresses, account, primary, profile, optedOut, doubleOptIn, newsletters } = contactView(facts, person);
      const subscribed = [...newsletters].filter(([, { state }]) => state === 'subscribed');
      const since = subscribed.map(([name, subscription]) => [name, subscription.since]);
      return JSON.stringify({ addresses, account, primary, profile, optedOut, doubleOptIn, since });
    });

  it(
    'end as the same histories with each set written out',
    () => {
      fc.assert(
        fc.property(history(18), (events) => {
          expect(essenceOf(factsOf(events))).toEqual(essenceOf(factsOf(events.flatMap(writtenOut))));
        }),
        { numRuns, seed },
      );
    },
    60_000 + 10 * numRuns,
  );

  it(
    'also with messages by token, undos and late events, at every step',
    () => {
      let sets = 0;
      fc.assert(
        fc.property(story, (steps) => {
          const playedBy = (apply: (event: ContactEvent, store: MemoryStore) => void): string[][] => {
            const essences: string[][] = [];
            play(steps, undefined, (event, store) => {
              if (event.kind === 'newsletter' && event.act === 'set' && 'token' in event.to) sets += 1;
              apply(event, store);
              essences.push(essenceOf(store.facts));
            });
            return essences;
          };
          const written = playedBy((event, store) => store.apply(writtenOut(event)));
          expect(playedBy((event, store) => store.apply([event]))).toEqual(written);
        }),
        { numRuns, seed },
      );
      expect(sets).toBeGreaterThan(numRuns / 10);
    },
    60_000 + 20 * numRuns,
  );

  it(
    'leave other people as they are when one is erased',
    () => {
      fc.assert(
        fc.property(history(18), fc.nat(), (events, pick) => {
          const facts = factsOf([...events, unsub('z', ['n1'], 1)]);
          const everyone = peopleOf(facts);
          const erased = everyone[pick % everyone.length] as Person;
          let n = 0;
          const { left } = planErasure(facts, erased, {
            now: at(100),
            newName: () => `name-${String(n++).padStart(3, '0')}`,
            merges: new Set(),
          });
          const others = everyone.filter((person) => person !== erased);
          const shown = (of: Facts) =>
            others.map((person) => {
              const { optedOut, newsletters } = contactView(of, person);
              return [optedOut, [...newsletters].map(([name, { state, since }]) => [name, state, since])];
            });
          expect(shown(left)).toEqual(shown(facts));
        }),
        { numRuns, seed },
      );
    },
    60_000 + 20 * numRuns,
  );
});
