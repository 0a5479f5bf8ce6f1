/** `since` is the start of the unbroken run of subscriptions: **Latest choice per newsletter**. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { Facts } from '../../src/contacts/facts/facts';
import { type Person, peopleOf } from '../../src/contacts/identity/ownership';
import { attributedChoices } from '../../src/contacts/profile/attribution';
import { historyOf } from '../../src/contacts/profile/choice-history';
import { contactView, type Subscription, subscriptions } from '../../src/contacts/profile/contact-view';
import { acct, addressOf, confirm, EPOCH, optout, signup, unsub } from '../support/events';
import { history } from '../support/histories';
import { factsOf } from '../support/memory-store';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const numRuns = Number(process.env.HISTORIES ?? 1_000);

/** The state of newsletter x at an address, such as `subscribed 3`. */
function stateOf(...events: ContactEvent[]): string {
  const facts = factsOf(events);
  const person = peopleOf(facts).find(({ addresses }) => addresses.includes(addressOf('a').key)) as Person;
  const { state, since } = contactView(facts, person).newsletters.get('x') as Subscription;
  return `${state} ${(since - EPOCH) / 1000}`;
}
const proven = { optin: true };

describe('the start of a subscription', () => {
  it('does not move with a repeated sign-up, in any order of arrival', () => {
    const events = [signup('a', ['x'], 1), signup('a', ['x'], 3), signup('a', ['x'], 5, proven)];
    expect([stateOf(...events), stateOf(...events.reverse())]).toEqual(['subscribed 1', 'subscribed 1']);
  });

  it('is that of the first of an account’s addresses that was signed up', () => {
    expect(stateOf(acct('u', 'a', 0), acct('u', 'b', 1), signup('b', ['x'], 2), signup('a', ['x'], 3))).toBe(
      'subscribed 2',
    );
  });

  it('is the first sign-up after a refusal at any of the addresses, after an opt-out too', () => {
    const both = [acct('u', 'a', 0), acct('u', 'b', 1), signup('a', ['x'], 2), signup('a', ['x'], 6)];
    expect(stateOf(...both, unsub('b', ['x'], 4))).toBe('subscribed 6');
    expect(stateOf(...both, unsub('b', ['x'], 2))).toBe('subscribed 6');
    expect(stateOf(...both, optout('b', 4), confirm('b', 5))).toBe('subscribed 6');
  });

  it('is the confirmation that it waited for, and a later sign-up does not move it', () => {
    const waiting = [optout('a', 1), signup('a', ['x'], 2), signup('a', ['x'], 3), confirm('a', 4)];
    expect(stateOf(...waiting)).toBe('subscribed 4');
    expect(stateOf(...waiting, signup('a', ['x'], 5))).toBe('subscribed 4');
  });
});

/** The state of each newsletter by the choices up to a time. */
function statesUntil(facts: Facts, person: Person, time: number): Map<string, Subscription> {
  return subscriptions(historyOf([...attributedChoices(facts, person).keys()].filter(({ at }) => at <= time)));
}

it(
  `generated histories: a newsletter has been subscribed without a break since then, and no longer (SEED=${seed})`,
  () => {
    let seen = 0;
    fc.assert(
      fc.property(history(18), (events) => {
        const facts = factsOf(events);
        for (const person of peopleOf(facts)) {
          const choices = [...attributedChoices(facts, person).keys()];
          const times = [...new Set(choices.map(({ at }) => at))].sort((a, b) => a - b);
          const past = times.map((time) => statesUntil(facts, person, time));
          for (const [name, { state, since }] of contactView(facts, person).newsletters) {
            if (state !== 'subscribed') continue;
            const start = past.findLastIndex((states) => states.get(name)?.state !== 'subscribed') + 1;
            if (times[start] !== since) expect({ choices, name, since, wanted: times[start] }).toBeNull();
            seen += times[start] === times.at(-1) ? 0 : 1;
          }
        }
      }),
      { numRuns, seed },
    );
    expect(seen).toBeGreaterThan(numRuns / 20);
  },
  30_000 + 20 * numRuns,
);
