import type { LookupKey } from '../contacts/facts/lookup-key';
import { type ContactSnapshot, contactSnapshot } from '../contacts/profile/contact-snapshot';
import { contactView } from '../contacts/profile/contact-view';
import { type Database, inSnapshot, type Queries } from './database';
import { loadFacts } from './load-facts';
import { loadPeople } from './people';
import { loadContacts } from './tables/contact';

/** The live contact that a key opens. Null for every other key: unknown, retired, merged, closed, a deleted account. */
export function findContact(db: Database, key: LookupKey): Promise<ContactSnapshot | null> {
  return inSnapshot(db, async (tx) => {
    const [row] = await idOf(tx, key);
    return row ? ((await loadSnapshots(tx, [row.id]))[0] ?? null) : null;
  });
}

function idOf(db: Queries, key: LookupKey): Promise<{ id: string }[]> {
  switch (key.by) {
    case 'token':
      return db.$queryRaw`SELECT contact_id AS id FROM basket_token WHERE token = ${key.token}::uuid AND state = 'live'`;
    case 'email':
      return db.$queryRaw`SELECT contact_id AS id FROM email_address WHERE address = ${key.address}`;
    case 'account':
      return db.$queryRaw`
        SELECT contact_id AS id FROM account WHERE uid = ${key.uid} AND deleted_at IS NULL AND contact_id IS NOT NULL`;
    case 'id':
      return db.$queryRaw`SELECT id FROM contact WHERE id = ${key.id}::uuid AND state = 'live'`;
  }
}

/**
 * Live contacts as readers see them, in the order of the given ids; other contacts are left out. Runs a fixed number of
 * statements: call it in a snapshot.
 */
export async function loadSnapshots(db: Queries, ids: readonly string[]): Promise<ContactSnapshot[]> {
  const contacts = new Map((await loadContacts(db, ids)).map((row) => [row.id, row]));
  const people = await loadPeople(db, ids);
  const facts = await loadFacts(db, {
    addresses: [...people.values()].flatMap(({ addresses }) => addresses),
    uids: [...people.values()].flatMap(({ uid }) => uid ?? []),
  });
  return ids.flatMap((id) => {
    const [contact, person] = [contacts.get(id), people.get(id)];
    if (contact?.state !== 'live' || !person) return [];
    const { version, token } = contact;
    return [contactSnapshot({ id, token: token as string, version }, contactView(facts, person), facts)];
  });
}
