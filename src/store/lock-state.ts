import type { State } from '../contacts/changes';
import { Directory, type Ids } from '../contacts/directory';
import { Facts } from '../contacts/facts';
import type { Queries } from './database';
import type { Reach } from './find-reach';
import { lockAccounts } from './lock-accounts';
import { lockAddresses } from './lock-addresses';

/**
 * Locks the addresses and accounts that some news name, or reach; those that are new are inserted. Knows of each what it
 * says and which contact it hangs on; claims and contacts are still to be loaded.
 *
 * @param news a row for each address and account that is named, should it be new
 * @param candidates the contact that each of these then hangs on
 * @throws ReachGrew see {@link lockAddresses}
 */
export async function lockState(
  tx: Queries,
  news: Facts,
  reach: Reach,
  candidates: ReadonlyMap<string, string>,
  ids: Ids,
): Promise<State> {
  const withCandidate = <F>(named: Map<string, F>) =>
    [...named].map(([key, facts]) => ({ facts, contactId: candidates.get(key) as string }));
  const addresses = await lockAddresses(tx, withCandidate(news.addresses), reach.addresses);
  const accounts = await lockAccounts(tx, withCandidate(news.accounts), reach.uids);
  const facts = new Facts();
  for (const row of addresses.rows) facts.learnAddress(row.facts);
  for (const row of accounts.rows) facts.learnAccount(row.facts);
  return {
    facts,
    directory: new Directory(ids),
    rows: {
      address: new Map(addresses.rows.map((row) => [row.facts.address, row.contactId])),
      account: new Map(accounts.rows.map((row) => [row.facts.uid, row.contactId])),
    },
    fresh: { address: addresses.fresh, account: accounts.fresh },
  };
}
