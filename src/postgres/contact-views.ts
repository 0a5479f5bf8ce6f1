import { type ContactView, contactView } from '../contacts/profile/contact-view';
import type { Queries } from './database';
import { loadFacts } from './load-facts';
import { type ContactRow, loadContacts } from './tables/contact';

/** A live contact as its readers see it. */
export interface StoredPerson {
  contact: ContactRow;
  view: ContactView;
}

/**
 * Folds live contacts, in the order of their ids given; those that are not live are left out. A fixed number of
 * statements: call it in a snapshot where they must agree with each other.
 */
export async function loadPeople(db: Queries, ids: readonly string[]): Promise<StoredPerson[]> {
  const contacts = new Map((await loadContacts(db, ids)).map((row) => [row.id, row]));
  const members = await db.$queryRaw<{ contact_id: string; address: string | null; uid: string | null }[]>`
    SELECT contact_id, address, NULL AS uid FROM email_address WHERE contact_id = ANY (${ids}::uuid[])
    UNION ALL
    SELECT contact_id, NULL, uid FROM account WHERE contact_id = ANY (${ids}::uuid[])`;
  const people = new Map(ids.map((id) => [id, { uid: null as string | null, addresses: [] as string[] }]));
  for (const { contact_id, address, uid } of members) {
    const person = people.get(contact_id);
    if (address !== null) person?.addresses.push(address);
    else if (person) person.uid = uid;
  }
  const facts = await loadFacts(db, {
    addresses: members.flatMap(({ address }) => address ?? []),
    uids: members.flatMap(({ uid }) => uid ?? []),
  });
  return ids.flatMap((id) => {
    const [contact, person] = [contacts.get(id), people.get(id)];
    if (contact?.state !== 'live' || !person) return [];
    person.addresses.sort();
    return [{ contact, view: contactView(facts, person) }];
  });
}
