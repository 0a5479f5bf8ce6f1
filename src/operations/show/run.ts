/** What a person types to name a contact. */
import { accountKey, emailKey, idKey, type LookupKey, tokenKey } from '../../contacts/facts/lookup-key';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import type { Database } from '../../postgres/database';
import { findContact } from '../../postgres/find-contact';

/** What a text may be: a uuid may be a token or a contact id. Empty if it can be nothing. */
export const keysOf = (text: string): LookupKey[] =>
  [emailKey, accountKey, tokenKey, idKey].flatMap((keyOf) => keyOf(text.trim()) ?? []);

/** The live contact that the first of these keys opens; null if none does. */
export async function findFirst(db: Database, keys: readonly LookupKey[]): Promise<StoredContact | null> {
  for (const key of keys) {
    const found = await findContact(db, key);
    if (found) return found;
  }
  return null;
}
