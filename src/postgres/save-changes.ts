import type { ChangeSet, WorkingSet } from '../contacts/change-recorder';
import { type AccountFacts, type Choice, type Origin, originKey } from '../contacts/facts/facts';
import type { Queries } from './database';
import { inOneStatement } from './one-statement';
import { deleteBlocks, insertBlocks } from './tables/claim-block';
import { markUndone } from './tables/merge';
import { leaveContacts, updateAccounts } from './tables/save-accounts';
import { updateAddresses } from './tables/save-addresses';
import { insertChoices } from './tables/save-choices';
import { insertClaims, updateStandings } from './tables/save-claims';
import { followMerged, insertContacts, updateContacts } from './tables/save-contacts';
import { insertTokens, updateTokens } from './tables/save-tokens';

/**
 * Writes what was decided, in one statement, however many rows; what has to be there before it or after it has statements
 * of its own, which most batches do not need. Merges are written by `insertMerges`, once they can be explained.
 */
export async function saveChanges(tx: Queries, changes: ChangeSet, facts: WorkingSet['facts']): Promise<void> {
  const { contacts, tokens } = changes;
  const accounts = changes.accounts.map((row) => ({ ...row, facts: facts.accounts.get(row.uid) as AccountFacts }));
  const { choices, touched } = await saveTouching(tx, changes);
  for (const write of [leaveContacts(accounts), ...updateTokens(tokens)]) await inOneStatement(tx, [write]);
  await inOneStatement(tx, [
    insertChoices(choices),
    updateAddresses(changes.addresses),
    updateAccounts(accounts),
    insertClaims(changes.claims),
    insertContacts(contacts.created),
    updateContacts(contacts.changed, touched),
    insertTokens(tokens.issued),
  ]);
  await inOneStatement(tx, [updateStandings(changes.statusChanges), followMerged(contacts)]);
  await markUndone(tx, changes.undone);
  await insertBlocks(tx, changes.undone);
  await deleteBlocks(tx, changes.unblocked);
}

/**
 * The version of a contact goes up also when only a choice is incoming; whether it is, the ledger knows. Choices of contacts
 * that get a version anyway, or of none, can wait for the others.
 *
 * @returns choices that are still to be written, and contacts of which one is incoming
 */
async function saveTouching(
  tx: Queries,
  { choices, contacts, contactOfOrigin }: ChangeSet,
): Promise<{ choices: Choice[]; touched: string[] }> {
  const counted = new Set([...contacts.created, ...contacts.changed].map(({ id }) => id));
  const contactOf = (origin: Origin): string | undefined => contactOfOrigin.get(originKey(origin));
  const [waiting, touching]: [Choice[], Choice[]] = [[], []];
  for (const choice of choices) {
    const id = contactOf(choice.origin);
    (id === undefined || counted.has(id) ? waiting : touching).push(choice);
  }
  const insert = insertChoices(touching);
  const incoming = insert === null ? [] : await tx.$queryRaw<Origin[]>(insert);
  return { choices: waiting, touched: [...new Set(incoming.flatMap((origin) => contactOf(origin) ?? []))] };
}
