import type { ChangeSet } from '../../contacts/change-recorder';
import type { AccountFacts, Choice, Claim, Facts } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { RAISED_COLUMNS, RAISED_ROWS, type RaisedContact, type RaisedRow, raisedContacts } from '../raised';
import { inOneStatement } from '../statement';
import { detachDeletedAccounts, updateAccounts } from '../tables/account';
import { endContinuation, insertClaims, updateClaimStatus } from '../tables/address-claim';
import { insertTokens, updateTokens } from '../tables/basket-token';
import { insertChoices } from '../tables/choice';
import { deleteBlocks, insertBlocks } from '../tables/claim-block';
import { insertContacts, repointMerged, updateContacts } from '../tables/contact';
import { updateAddresses, updateSpellings } from '../tables/email-address';
import { markUndone } from '../tables/merge';
import { contactsWithAnotherView, judgedChoices, type Uncertain } from './look-different';

/**
 * Writes a change set: usually one statement, whatever the number of rows. Retired tokens are written before it. After
 * it follow changes of a claim's status, undos, blocks, and the versions of contacts whose views had to be compared.
 * The merge ledger is written by `insertMerges`, once merges are explained.
 *
 * @param reports whether to return the live contacts that have a new version; otherwise none are returned
 */
export async function saveChanges(
  tx: Queries,
  changes: ChangeSet,
  facts: Facts,
  { reports = false }: { reports?: boolean } = {},
): Promise<RaisedContact[]> {
  const { contacts, tokens } = changes;
  const accounts = changes.accounts.map((row) => ({ ...row, facts: facts.accounts.get(row.uid) as AccountFacts }));
  const created = new Set(contacts.created.map(({ id }) => id));
  // A new contact may have an address that others owned before: a choice made there may also show in their contacts.
  const showsOnlyAtNew = ({ origin: { kind, key } }: Choice): boolean =>
    changes.fresh[kind].has(key) && created.has(changes.contactOfOrigin.get(key) ?? '');
  const [ofNewContacts, touching]: [Choice[], Choice[]] = [[], []];
  for (const choice of changes.choices) (showsOnlyAtNew(choice) ? ofNewContacts : touching).push(choice);
  const judged = judgedChoices(touching, changes);
  for (const write of [detachDeletedAccounts(accounts), ...updateTokens(tokens)]) await inOneStatement(tx, [write]);
  const update = updateContacts(contacts.changed, judged?.different, reports ? RAISED_COLUMNS : undefined);
  const rows = await inOneStatement<Uncertain & { version: number | null }>(
    tx,
    [
      insertChoices(ofNewContacts),
      updateAddresses(changes.addresses),
      updateSpellings(changes.spellings),
      updateAccounts(accounts),
      insertClaims(changes.claims, changes.continuing),
      endContinuation(changes.claims.filter((claim) => isFollowed(claim, facts))),
      insertContacts(contacts.created),
      ...(reports ? [] : [update]),
      insertTokens(tokens.issued),
    ],
    reports && update
      ? {
          named: [...(judged?.named ?? []), Prisma.sql`raised AS (${update})`],
          selected: judged ? Prisma.sql`${judged.uncertain} UNION ALL SELECT ${RAISED_ROWS}` : RAISED_ROWS,
        }
      : judged
        ? { named: judged.named, selected: judged.uncertain }
        : {},
  );
  const uncertain = rows.filter(({ version }) => version === null);
  const raisedRows: RaisedRow[] = rows.flatMap(({ raised, version }) =>
    raised !== null && version !== null ? { raised, version } : [],
  );
  await inOneStatement(tx, [updateClaimStatus(changes.statusChanges), repointMerged(contacts)]);
  await markUndone(tx, changes.undone);
  await insertBlocks(tx, changes.undone);
  await deleteBlocks(tx, changes.unblocked);
  if (uncertain.length === 0) return reports ? raisedContacts(changes, raisedRows, new Map()) : [];

  const raised = new Set([...contacts.created, ...contacts.changed].map(({ id }) => id));
  for (const origin of uncertain) if (origin.raised !== null) raised.add(origin.raised);
  const different = await contactsWithAnotherView(tx, uncertain, changes, reports ? new Set() : raised);
  const others = [...different.keys()].filter((id) => !raised.has(id));
  if (others.length > 0) {
    const touched = Prisma.sql`SELECT unnest(${arrayLiteral(others)}::uuid[]) AS contact_id`;
    const next = updateContacts([], touched, RAISED_COLUMNS);
    raisedRows.push(
      ...(await inOneStatement<RaisedRow>(tx, [], { named: [Prisma.sql`raised AS (${next})`], selected: RAISED_ROWS })),
    );
  }
  return reports ? raisedContacts(changes, raisedRows, different) : [];
}

/** Whether another account's claim on the address comes after a claim. */
const isFollowed = ({ address, uid, at }: Claim, facts: Facts): boolean =>
  facts.claimsOn(address).some((other) => other.at >= at && other.uid !== uid);
