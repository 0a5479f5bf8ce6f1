import type { LookupKey } from '../contacts/facts/lookup-key';
import { loadPeople, type StoredPerson } from './contact-views';
import { type Database, inSnapshot, type Queries } from './database';

/**
 * The live contact that a key opens. Null for all others alike: unknown, retired, merged, closed, a deleted account.
 *
 * @param key normalised: a uuid for tokens and ids, a normalised address, a lower-case uid.
 */
export function findContact(db: Database, key: LookupKey): Promise<StoredPerson | null> {
  return inSnapshot(db, async (tx) => {
    const [row] = await idOf(tx, key);
    return row ? ((await loadPeople(tx, [row.id]))[0] ?? null) : null;
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
