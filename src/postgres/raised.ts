/** The contacts that a batch gives the next version, with the parts of them that may have changed, for `contact.changed`. */
import type { ChangeSet } from '../contacts/change-recorder';
import { CHANGED_PARTS, type ChangedPart, partsOfChoice } from '../contacts/profile/changed-parts';
import { Prisma } from './generated/prisma/client';

export interface RaisedContact {
  contactId: string;
  version: number;
  parts: readonly ChangedPart[];
}

/** What an UPDATE with the name `raised` returns, for {@link RAISED_ROWS}. */
export const RAISED_COLUMNS = Prisma.sql`RETURNING known.id, known.version, known.state`;

/** The live ones; the columns are those of `Uncertain`, in whose rows `version` is null. */
export const RAISED_ROWS = Prisma.sql`
  NULL AS kind, NULL AS key, NULL AS newsletter, NULL::float8 AS at, id AS raised, version FROM raised WHERE state = 'live'`;

export interface RaisedRow {
  raised: string;
  version: number;
}

/**
 * @param rows stored contacts with their new versions
 * @param different the parts in which views were found to differ, by contact
 */
export function raisedContacts(
  changes: ChangeSet,
  rows: readonly RaisedRow[],
  different: ReadonlyMap<string, readonly ChangedPart[]>,
): RaisedContact[] {
  const { created, changed } = changes.contacts;
  const named = partsNamedBy(changes);
  // Ownership decides which facts count, so any part of a reconciled contact may be different.
  const reconciled = new Set(changed.map(({ id }) => id));
  const partsOf = (id: string): readonly ChangedPart[] =>
    reconciled.has(id)
      ? CHANGED_PARTS
      : CHANGED_PARTS.filter((part) => named.get(id)?.has(part) || different.get(id)?.includes(part));
  return [
    ...created.flatMap(({ id, state }) =>
      state === 'live' ? { contactId: id, version: 1, parts: CHANGED_PARTS } : [],
    ),
    ...rows.map(({ raised, version }) => ({ contactId: raised, version, parts: partsOf(raised) })),
  ];
}

/** For each contact, the parts about which the batch says something. What accounts say is compared anyway. */
function partsNamedBy(changes: ChangeSet): Map<string, Set<ChangedPart>> {
  const { addresses, choices, contactOfOrigin, perhapsShown } = changes;
  const named = new Map<string, Set<ChangedPart>>();
  const add = (id: string | null | undefined, parts: readonly ChangedPart[]): void => {
    if (id === null || id === undefined) return;
    const known = named.get(id) ?? new Set();
    for (const part of parts) known.add(part);
    named.set(id, known);
  };
  for (const { facts, contactId } of addresses) {
    if (perhapsShown.addresses.get(facts.address)?.hasNewValue) add(contactId, ['profile']);
  }
  for (const choice of choices) add(contactOfOrigin.get(choice.origin.key), partsOfChoice(choice));
  return named;
}
