/** What is known of an account. */
import { expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { acct, at, del, uidOf } from '../support/events';
import { permutations } from '../support/histories';
import { factsOf } from '../support/memory-store';

/** The facts of account `u`, which must be the same in any order of the events, also with repetitions. */
function accountAfter(...events: ContactEvent[]) {
  const results = [...permutations(events)].map((order) => factsOf([...order, ...events]).accounts.get(uidOf('u')));
  for (const result of results) expect(result).toEqual(results[0]);
  return results[0];
}

it('the service of an account is the first one that it was used for', () => {
  const events = [
    acct('u', 'a', 2, { service: 'sync' }),
    acct('u', 'a', 3, { service: 'relay' }),
    acct('u', 'b', 1),
    acct('u', 'a', 4, { service: 'monitor' }),
  ];
  expect(accountAfter(...events)?.service).toEqual({ value: 'sync', at: at(2) });
});

it('of two services at the same time the lesser is kept', () => {
  const events = [acct('u', 'a', 2, { service: 'sync' }), acct('u', 'b', 2, { service: 'relay' })];
  expect(accountAfter(...events)?.service).toEqual({ value: 'relay', at: at(2) });
});

it('the creation time of an account is the earliest that an event says, and stays after its deletion', () => {
  const events = [
    acct('u', 'a', 2, { createdAt: at(1.5) }),
    acct('u', 'b', 3, { createdAt: at(1) }),
    acct('u', 'a', 4),
    del('u', 5),
  ];
  expect(accountAfter(...events)).toMatchObject({ createdAt: at(1), deletedAt: at(5) });
  expect(accountAfter(acct('u', 'a', 4), del('u', 5))?.createdAt).toBeUndefined();
});
