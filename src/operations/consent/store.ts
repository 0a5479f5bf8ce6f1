import type { Facts } from '../../contacts/facts/facts';
import type { Person } from '../../contacts/identity/ownership';
import { type Database, inSnapshot, type Queries } from '../../postgres/database';
import { loadFacts } from '../../postgres/load-facts';
import { loadPeople } from '../../postgres/people';
import { countChoices, readLedger, type StoredChoice } from '../../postgres/tables/choice';

export interface FoundPerson {
  contactId: string;
  person: Person;
  /** All facts about the person; also about others, because claims connect people. */
  facts: Facts;
}

/**
 * Finds the person who has an address or a live contact, with all facts that their consent depends on. Null for an unknown
 * address, and for an id of no live contact.
 */
export function findPerson(
  db: Database,
  wanted: { address: string } | { contactId: string },
): Promise<FoundPerson | null> {
  return inSnapshot(db, async (tx) => {
    const contactId = 'address' in wanted ? await contactAt(tx, wanted.address) : wanted.contactId;
    const person = contactId && (await loadPeople(tx, [contactId])).get(contactId);
    if (!contactId || !person) return null;
    const uids = person.uid === null ? [] : [person.uid];
    return { contactId, person, facts: await loadFacts(tx, { addresses: person.addresses, uids }) };
  });
}

async function contactAt(tx: Queries, address: string): Promise<string | undefined> {
  const [row] = await tx.$queryRaw<{ id: string }[]>`
    SELECT contact_id AS id FROM email_address WHERE address = ${address}`;
  return row?.id;
}

/**
 * Reads every choice of everyone from one snapshot, page by page.
 *
 * @param each called with each page and about how many choices there are, if that is known; awaited before the next page
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
