import type { Change } from '../../contacts/profile/change';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import type { Position } from '../../foundation/cursor';
import { OperatorError } from '../../foundation/operator-error';
import { type Database, inSnapshot } from '../../postgres/database';
import { readChanges } from '../../postgres/feed/changes';
import { loadSnapshots } from '../../postgres/look-ups/find-contact';

const PAGE = 1_000;

/**
 * Reads all live contacts, sorted by (first address, account), page by page, from one snapshot and in constant memory.
 *
 * @param each called with each page and the number of contacts in total; awaited before the next page is read
 */
export function exportContacts(
  db: Database,
  each: (page: StoredContact[], total: number) => Promise<void> | void,
): Promise<void> {
  return inSnapshot(db, async (tx) => {
    const [count] = await tx.$queryRaw<{ total: number }[]>`
      SELECT count(*)::int AS total FROM contact WHERE state = 'live'`;
    await tx.$executeRaw`
      DECLARE every_contact NO SCROLL CURSOR FOR
      SELECT c.id FROM contact c
      LEFT JOIN (SELECT contact_id, min(address) AS first FROM email_address GROUP BY contact_id) a ON a.contact_id = c.id
      LEFT JOIN account u ON u.contact_id = c.id AND u.deleted_at IS NULL
      WHERE c.state = 'live'
      ORDER BY coalesce(a.first, '') COLLATE "C", coalesce(u.uid, '') COLLATE "C"`;
    for (;;) {
      const rows = await tx.$queryRawUnsafe<{ id: string }[]>(`FETCH ${PAGE} FROM every_contact`);
      if (rows.length === 0) return;
      const ids = rows.map(({ id }) => id);
      await each(await loadSnapshots(tx, ids), count?.total ?? 0);
    }
  });
}

/**
 * Reads what changed since a position, page by page, each page from a snapshot of its own, so that a long run does not
 * keep old rows alive.
 *
 * @param after null for the beginning
 * @param each awaited before the next page is read
 * @returns where to continue
 * @throws OperatorError if the position is from before a restore
 */
export async function exportChanges(
  db: Database,
  after: Position | null,
  each: (page: Change[]) => Promise<void>,
): Promise<Position> {
  for (let position = after; ; ) {
    const page = await readChanges(db, position, PAGE);
    if (page === 'gone') throw new OperatorError(GONE);
    if (page === 'not_renewed') throw new OperatorError(NOT_RENEWED);
    await each(page.changes);
    if (!page.hasMore) return page.next;
    position = page.next;
  }
}

const GONE =
  'The cursor is from before a restore of the database: export everything again with --since alone, then delete the contacts that were not in it.';
const NOT_RENEWED = 'The database was restored from a dump: run `onecontact feed renew` first (docs/recovery.md).';
