import { type Database, inSnapshot } from '../../postgres/database';
import { loadReaders, type Reader } from '../../postgres/look-ups/find-contact';
import { countChoices, readLedger, type StoredChoice } from '../../postgres/tables/choice';
import { findHolder } from '../../postgres/tables/email-address';

/** Finds the owner of an address, with all facts that their consent depends on. Null for an unknown address. */
export function findPerson(db: Database, address: string): Promise<Reader | null> {
  return inSnapshot(db, async (tx) => {
    const id = await findHolder(tx, address);
    return id === null ? null : ((await loadReaders(tx, [id]))[0] ?? null);
  });
}

/**
 * Reads every choice of everyone from one snapshot, page by page.
 *
 * @param each called with each page and the approximate number of all choices, if known; awaited before the next page
 */
export function readWholeLedger(
  db: Database,
  each: (page: StoredChoice[], total: number | null) => Promise<void>,
): Promise<void> {
  return inSnapshot(db, async (tx) => {
    const total = await countChoices(tx);
    await readLedger(tx, (page) => each(page, total));
  });
}
