import type { ContactEvent } from '../src/contacts/facts/event';
import type { Claim, Facts } from '../src/contacts/facts/facts';
import { accountChoices, accountFacts, addressFacts, claimOf, newsletterChoices } from '../src/contacts/facts/record';

/**
 * What an event says, learned by facts alone: what the service must come to, without any of its machinery. One that is
 * addressed by a token says nothing here, for there are no contacts that could have it.
 */
export function addEvent(facts: Facts, event: ContactEvent, status: Claim['status'] = 'active'): void {
  if (event.kind === 'deletion') {
    facts.addAccount({ uid: event.uid, deletedAt: event.at });
  } else if (event.kind === 'claim') {
    facts.addAddress(addressFacts(event.address, event.at));
    facts.addAccount(accountFacts(event));
    facts.addClaim({ ...claimOf(event), status });
    for (const choice of accountChoices(event)) facts.addChoice(choice);
  } else if ('address' in event.to) {
    const { address } = event.to;
    facts.addAddress(addressFacts(address, event.at, event.profile));
    for (const choice of newsletterChoices(event, { kind: 'address', key: address.key })) facts.addChoice(choice);
  }
}
