import type { Changes, State } from '../contacts/changes';
import { type AccountFacts, originKey } from '../contacts/facts';
import type { Queries } from './database';
import { saveAccounts } from './save-accounts';
import { saveAddresses } from './save-addresses';
import { saveChoices } from './save-choices';
import { saveClaims, saveStandings } from './save-claims';
import { saveContacts } from './save-contacts';
import { saveTokens } from './save-tokens';
import { deleteBlocks, saveUndone } from './save-undone';

/**
 * Writes what was decided: one statement a table (two where an order must be kept), however many rows. Merges are written
 * by `saveMerges`, once they can be explained.
 */
export async function saveChanges(tx: Queries, changes: Changes, facts: State['facts']): Promise<void> {
  const news = await saveChoices(tx, changes.choices);
  await saveAddresses(tx, changes.addresses);
  await saveAccounts(
    tx,
    changes.accounts.map(({ uid, contactId }) => ({ facts: facts.accounts.get(uid) as AccountFacts, contactId })),
  );
  await saveClaims(tx, changes.claims);
  await saveStandings(tx, changes.standings);
  await saveUndone(tx, changes.undone);
  await deleteBlocks(tx, changes.unblocked);
  const touched = news.flatMap((origin) => changes.contactOfOrigin.get(originKey(origin)) ?? []);
  await saveContacts(tx, changes.contacts, touched);
  await saveTokens(tx, changes.tokens);
}
