import type { ChangeSet } from '../contacts/change-recorder';
import type { AccountFacts, Choice, Claim, Facts } from '../contacts/facts/facts';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';
import { Prisma } from './generated/prisma/client';
import { contactsWithAnotherView, judgedChoices, type Uncertain } from './look-different';
import { inOneStatement } from './statement';
import { detachDeletedAccounts, updateAccounts } from './tables/account';
import { endContinuation, insertClaims, updateClaimStatus } from './tables/address-claim';
import { insertTokens, updateTokens } from './tables/basket-token';
import { insertChoices } from './tables/choice';
import { deleteBlocks, insertBlocks } from './tables/claim-block';
import { insertContacts, repointMerged, updateContacts } from './tables/contact';
import { updateAddresses, updateSpellings } from './tables/email-address';
import { markUndone } from './tables/merge';

/**
 * Writes a change set: usually one statement, whatever the number of rows. Retired tokens are written before it; after it
 * changes of a claim's status, undos, blocks, and the versions of contacts whose views had to be compared. The merge ledger
 * is written by `insertMerges`, once merges are explained.
 */
export async function saveChanges(tx: Queries, changes: ChangeSet, facts: Facts): Promise<void> {
  const { contacts, tokens } = changes;
  const accounts = changes.accounts.map((row) => ({ ...row, facts: facts.accounts.get(row.uid) as AccountFacts }));
  const created = new Set(contacts.created.map(({ id }) => id));
  const [ofNewContacts, touching]: [Choice[], Choice[]] = [[], []];
  for (const choice of changes.choices) {
    const id = changes.contactOfOrigin.get(choice.origin.key);
    (id !== undefined && created.has(id) ? ofNewContacts : touching).push(choice);
  }
  const judged = judgedChoices(touching, changes);
  for (const write of [detachDeletedAccounts(accounts), ...updateTokens(tokens)]) await inOneStatement(tx, [write]);
  const uncertain = await inOneStatement<Uncertain>(
    tx,
    [
      insertChoices(ofNewContacts),
      updateAddresses(changes.addresses),
      updateSpellings(changes.spellings),
      updateAccounts(accounts),
      insertClaims(changes.claims, changes.continuing),
      endContinuation(changes.claims.filter((claim) => isFollowed(claim, facts))),
      insertContacts(contacts.created),
      updateContacts(contacts.changed, judged?.different),
      insertTokens(tokens.issued),
    ],
    judged ? { named: judged.named, selected: judged.uncertain } : {},
  );
  await inOneStatement(tx, [updateClaimStatus(changes.statusChanges), repointMerged(contacts)]);
  await markUndone(tx, changes.undone);
  await insertBlocks(tx, changes.undone);
  await deleteBlocks(tx, changes.unblocked);
  if (uncertain.length === 0) return;
  const others = await contactsWithAnotherView(tx, uncertain, changes);
  if (others.length === 0) return;
  await inOneStatement(tx, [
    updateContacts([], Prisma.sql`SELECT unnest(${arrayLiteral(others)}::uuid[]) AS contact_id`),
  ]);
}

/** Whether another account's claim on the address comes after a claim. */
const isFollowed = ({ address, uid, at }: Claim, facts: Facts): boolean =>
  facts.claimsOn(address).some((other) => other.at >= at && other.uid !== uid);
