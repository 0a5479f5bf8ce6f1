/** The contacts whose changes wait to be announced: one row for all contacts that a batch changed in the same parts. */
import type { ChangedPart } from '../../contacts/profile/changed-parts';
import { groupBy } from '../../foundation/group-by';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { ids } from '../ids';
import type { RaisedContact } from '../raised';
import { type Columns, namesOf, rowSource, type Write } from '../statement';

interface ChangedTogether {
  parts: readonly ChangedPart[];
  contacts: readonly RaisedContact[];
}

const COLUMNS: Columns<ChangedTogether> = {
  parts: ['text', ({ parts }) => arrayLiteral(parts)],
  contact_ids: ['text', ({ contacts }) => arrayLiteral(contacts.map(({ contactId }) => contactId))],
  versions: ['text', ({ contacts }) => arrayLiteral(contacts.map(({ version }) => version))],
  message_ids: ['text', ({ contacts }) => arrayLiteral(contacts.map(() => ids.merge()))],
};

export function insertChanges(changed: readonly RaisedContact[]): Write {
  if (changed.length === 0) return null;
  const groups = groupBy(changed, ({ parts }) => parts.join()).values();
  const rows = [...groups].map((contacts): ChangedTogether => ({ parts: contacts[0]?.parts ?? [], contacts }));
  return Prisma.sql`
    INSERT INTO outbox_changes (${namesOf(COLUMNS)})
    SELECT parts::text[], contact_ids::uuid[], versions::int[], message_ids::uuid[] FROM ${rowSource(rows, COLUMNS)}`;
}

/**
 * Removes changes, and rows that have no changes left.
 *
 * @param gone ids of contacts or of messages
 * @returns how many changes were removed
 */
export async function removeChanges(tx: Queries, gone: readonly string[]): Promise<number> {
  if (gone.length === 0) return 0;
  const removed = Prisma.sql`${arrayLiteral(gone)}::uuid[]`;
  const [found] = await tx.$queryRaw<{ changes: number }[]>`
    SELECT count(*)::int AS changes FROM outbox_changes, unnest(contact_ids, message_ids) AS x (contact_id, message_id)
    WHERE contact_id = ANY (${removed}) OR message_id = ANY (${removed})`;
  if (!found || found.changes === 0) return 0;
  await tx.$executeRaw`
    UPDATE outbox_changes SET (contact_ids, versions, message_ids) = (
      SELECT coalesce(array_agg(contact_id ORDER BY n), '{}'), coalesce(array_agg(version ORDER BY n), '{}'),
        coalesce(array_agg(message_id ORDER BY n), '{}')
      FROM unnest(contact_ids, versions, message_ids) WITH ORDINALITY AS x (contact_id, version, message_id, n)
      WHERE contact_id <> ALL (${removed}) AND message_id <> ALL (${removed}))
    WHERE contact_ids && ${removed} OR message_ids && ${removed}`;
  await tx.$executeRaw`DELETE FROM outbox_changes WHERE contact_ids = '{}'`;
  return found.changes;
}
