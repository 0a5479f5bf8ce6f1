import type { WorkingSet } from '../contacts/change-recorder';
import { Facts } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { ContactIndex, type Ids } from '../contacts/identity/contact-index';
import type { Queries } from './database';

import { lockAccounts } from './tables/lock-accounts';
import { lockAddresses } from './tables/lock-addresses';

/**
 * Locks the addresses and accounts that some incoming name, or reach; those that are new are inserted. Knows of each what it
 * says and which contact it hangs on; claims and contacts are still to be loaded.
 *
 * @param incoming a row for each address and account that is named, should it be new
 * @param candidates the contact that each of these then hangs on
 * @throws ReachGrew see {@link lockAddresses}
 */
export async function lockRows(
  tx: Queries,
  incoming: Facts,
  reach: ConnectedComponent,
  candidates: ReadonlyMap<string, string>,
  ids: Ids,
): Promise<WorkingSet> {
  const withCandidate = <F>(named: Map<string, F>) =>
    [...named].map(([key, facts]) => ({ facts, contactId: candidates.get(key) as string }));
  const addresses = await lockAddresses(tx, withCandidate(incoming.addresses), reach.addresses);
  const accounts = await lockAccounts(tx, withCandidate(incoming.accounts), reach.uids);
  const facts = new Facts();
  for (const row of addresses.rows) facts.addAddress(row.facts);
  for (const row of accounts.rows) facts.addAccount(row.facts);
  return {
    facts,
    contactIndex: new ContactIndex(ids),
    rows: {
      address: new Map(addresses.rows.map((row) => [row.facts.address, row.contactId])),
      account: new Map(accounts.rows.map((row) => [row.facts.uid, row.contactId])),
    },
    fresh: { address: addresses.fresh, account: accounts.fresh },
  };
}
