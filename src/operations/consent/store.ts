import type { Facts } from '../../contacts/facts/facts';
import { addressesOwnedBy, ownerOf, type Person } from '../../contacts/identity/ownership';
import { type Database, inSnapshot } from '../../postgres/database';
import { loadFacts } from '../../postgres/load-facts';
import { countChoices, readLedger, type StoredChoice } from '../../postgres/tables/choice';

export interface FoundPerson {
  contactId: string;
  person: Person;
  /** All facts about the person, and about people whom claims connect with the person. */
  facts: Facts;
}

/** Finds the owner of an address, with all facts that their consent depends on. Null for an unknown address. */
export function findPerson(db: Database, address: string): Promise<FoundPerson | null> {
  return inSnapshot(db, async (tx) => {
    const [row] = await tx.$queryRaw<{ id: string }[]>`
      SELECT contact_id AS id FROM email_address WHERE address = ${address}`;
    if (!row) return null;
    const facts = await loadFacts(tx, { addresses: [address], uids: [] });
    const uid = ownerOf(facts, address);
    const addresses = uid === null ? [address] : addressesOwnedBy(facts, uid);
    return { contactId: row.id, person: { uid, addresses }, facts };
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
