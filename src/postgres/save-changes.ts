import type { ChangeSet, WorkingSet } from '../contacts/change-recorder';
import {
  type AccountFacts,
  type Choice,
  type Claim,
  type Facts,
  type Origin,
  originKey,
} from '../contacts/facts/facts';
import type { Queries } from './database';
import { inOneStatement } from './statement';
import { detachDeletedAccounts, updateAccounts } from './tables/account';
import { endContinuation, insertClaims, updateClaimStatus } from './tables/address-claim';
import { insertTokens, updateTokens } from './tables/basket-token';
import { insertChoices } from './tables/choice';
import { deleteBlocks, insertBlocks } from './tables/claim-block';
import { insertContacts, repointMerged, updateContacts } from './tables/contact';
import { updateAddresses } from './tables/email-address';
import { markUndone } from './tables/merge';

/**
 * Writes a change set: usually one statement, whatever the number of rows. Retired tokens are written before it; changes of
 * a claim's status, undos and blocks after it. The merge ledger is written by `insertMerges`, once merges are explained.
 */
export async function saveChanges(tx: Queries, changes: ChangeSet, facts: WorkingSet['facts']): Promise<void> {
  const { contacts, tokens } = changes;
  const accounts = changes.accounts.map((row) => ({ ...row, facts: facts.accounts.get(row.uid) as AccountFacts }));
  const { choices, touched } = await saveTouchingChoices(tx, changes);
  for (const write of [detachDeletedAccounts(accounts), ...updateTokens(tokens)]) await inOneStatement(tx, [write]);
  await inOneStatement(tx, [
    insertChoices(choices),
    updateAddresses(changes.addresses),
    updateAccounts(accounts),
    insertClaims(changes.claims, changes.continuing),
    endContinuation(changes.claims.filter((claim) => isFollowed(claim, facts))),
    insertContacts(contacts.created),
    updateContacts(contacts.changed, touched),
    insertTokens(tokens.issued),
  ]);
  await inOneStatement(tx, [updateClaimStatus(changes.statusChanges), repointMerged(contacts)]);
  await markUndone(tx, changes.undone);
  await insertBlocks(tx, changes.undone);
  await deleteBlocks(tx, changes.unblocked);
}

/** Whether another account's claim on the address comes after a claim. */
const isFollowed = ({ address, uid, at }: Claim, facts: Facts): boolean =>
  facts.claimsOn(address).some((other) => other.at >= at && other.uid !== uid);

/**
 * Writes the choices of contacts that nothing else changes. Such a contact gets its next version only if a choice is
 * new, which the consent ledger decides.
 *
 * @returns the choices that are still to be written, and the ids of the contacts that got a new choice.
 */
async function saveTouchingChoices(
  tx: Queries,
  { choices, contacts, contactOfOrigin }: ChangeSet,
): Promise<{ choices: Choice[]; touched: string[] }> {
  const versioned = new Set([...contacts.created, ...contacts.changed].map(({ id }) => id));
  const contactOf = (origin: Origin): string | undefined => contactOfOrigin.get(originKey(origin));
  const [remaining, touching]: [Choice[], Choice[]] = [[], []];
  for (const choice of choices) {
    const id = contactOf(choice.origin);
    (id === undefined || versioned.has(id) ? remaining : touching).push(choice);
  }
  const insert = insertChoices(touching);
  const added = insert === null ? [] : await tx.$queryRaw<Origin[]>(insert);
  return { choices: remaining, touched: [...new Set(added.flatMap((origin) => contactOf(origin) ?? []))] };
}
