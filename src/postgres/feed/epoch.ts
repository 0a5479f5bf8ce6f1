import { type Database, inTransaction } from '../database';

const PAGE = 10_000;

/**
 * Makes readers of the change feed begin again. Contacts with a transaction id of another server, from a dump, come
 * first from now on, because this server will give out that id again.
 *
 * @param onPage called with the number of such contacts, after each of their pages
 * @returns the number of all such contacts
 */
export async function renewEpoch(db: Database, onPage: (contacts: number) => void = () => undefined): Promise<number> {
  let contacts = 0;
  // Before the epoch changes: a reader who had already begun again would miss these contacts.
  for (;;) {
    const page = await inTransaction(
      db,
      (tx) => tx.$executeRaw`
        UPDATE contact SET changed_in = '0' WHERE id IN (
          SELECT id FROM contact WHERE changed_in >= pg_snapshot_xmax(pg_current_snapshot())
          ORDER BY changed_in, id LIMIT ${PAGE} FOR UPDATE)`,
    );
    contacts += page;
    if (page === 0) break;
    onPage(contacts);
  }
  await db.$executeRaw`UPDATE feed_epoch SET epoch = gen_random_uuid(), renewed_at = now()`;
  return contacts;
}
