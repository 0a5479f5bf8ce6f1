import type { ContactEvent } from '../src/contacts/event';
import type { Claim, Facts } from '../src/contacts/facts';
import { accountFacts, addressFacts, choicesOf, claimOf } from '../src/contacts/record';

/**
 * What an event says, learned by facts alone: what the service must come to, without any of its machinery. One that is
 * addressed by a token says nothing here, for there are no contacts that could have it.
 */
export function learnEvent(facts: Facts, event: ContactEvent, standing: Claim['standing'] = 'counted'): void {
  if (event.kind === 'deletion') {
    facts.learnAccount({ uid: event.uid, deletedAt: event.at });
  } else if (event.kind === 'claim') {
    facts.learnAddress(addressFacts(event.address, event.at));
    facts.learnAccount(accountFacts(event));
    facts.learnClaim({ ...claimOf(event), standing });
    for (const choice of choicesOf(event)) facts.learnChoice(choice);
  } else if ('address' in event.to) {
    const { address } = event.to;
    facts.learnAddress(addressFacts(address, event.at, event.profile));
    for (const choice of choicesOf(event, { kind: 'address', key: address.key })) facts.learnChoice(choice);
  }
}
