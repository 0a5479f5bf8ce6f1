import { type Database, inTransaction } from '../database';

const PAGE = 10_000;

/**
 * Lets readers of the change feed begin again. Contacts with the transaction id of another server, from a dump, come first
 * from now on: here their id will be given out again.
 *
 * @param onPage called with the number of such contacts, after each of their pages
 * @returns how many they were
 */
export async function renewEpoch(db: Database, onPage: (contacts: number) => void = () => undefined): Promise<number> {
  let contacts = 0;
  // Before the epoch: a reader who began again already would miss them.
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
