import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import { type Database, inSnapshot } from '../../postgres/database';
import { loadSnapshots } from '../../postgres/find-contact';

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
