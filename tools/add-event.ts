import type { ContactEvent } from '../src/contacts/facts/event';
import type { Claim, Facts } from '../src/contacts/facts/facts';
import { accountChoices, accountFacts, addressFacts, claimOf, newsletterChoices } from '../src/contacts/facts/record';

/**
 * Adds the facts of an event, without the service's machinery: the basis for expected results. An event addressed by token
 * adds nothing, because facts alone have no tokens.
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
