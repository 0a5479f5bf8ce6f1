/** What a person types to name a contact. */
import type { Time } from '../../contacts/facts/event';
import { accountKey, emailKey, idKey, type LookupKey, tokenKey } from '../../contacts/facts/lookup-key';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import type { Database } from '../../postgres/database';
import { findContact } from '../../postgres/look-ups/find-contact';
import {
  type DeletedAccount,
  type EndedContact,
  findDeletedAccount,
  findEndedContact,
  findRetiredToken,
  type RetiredToken,
} from '../../postgres/look-ups/find-ended';
import { erasureTimes } from '../../postgres/tables/erasure';

/** What a text may be: a uuid may be a token or a contact id. Empty if it can be nothing. */
export const keysOf = (text: string): LookupKey[] =>
  [emailKey, accountKey, tokenKey, idKey].flatMap((keyOf) => keyOf(text.trim()) ?? []);

/** A token or an id anywhere in a text, such as a link from a mail. */
const ANY_UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/i;

/** The same for what people paste. */
export function keysIn(text: string): LookupKey[] {
  const keys = keysOf(text);
  return keys.length > 0 ? keys : keysOf(ANY_UUID.exec(text)?.[0] ?? '');
}

/** The live contact that the first of these keys opens; null if none does. */
export async function findFirst(db: Database, keys: readonly LookupKey[]): Promise<StoredContact | null> {
  for (const key of keys) {
    const found = await findContact(db, key);
    if (found) return found;
  }
  return null;
}

/** What became of a key that opens no live contact. */
export type Ended =
  | { what: 'token'; token: RetiredToken }
  | { what: 'contact'; contact: EndedContact }
  | { what: 'account'; account: DeletedAccount }
  /** An erasure covers events about the address or account up to this time. */
  | { what: 'erased'; kind: 'address' | 'account'; until: Time };

/**
 * For staff only.
 *
 * @param erasureKey null: erased addresses and accounts cannot be told from unknown ones
 */
export async function findEnded(
  db: Database,
  keys: readonly LookupKey[],
  erasureKey: string | null,
): Promise<Ended | null> {
  for (const key of keys) {
    const ended = await endedBy(db, key, erasureKey);
    if (ended) return ended;
  }
  return null;
}

async function endedBy(db: Database, key: LookupKey, erasureKey: string | null): Promise<Ended | null> {
  switch (key.by) {
    case 'token': {
      const token = await findRetiredToken(db, key.token);
      return token && { what: 'token', token };
    }
    case 'id': {
      const contact = await findEndedContact(db, key.id);
      return contact && { what: 'contact', contact };
    }
    case 'account': {
      const account = await findDeletedAccount(db, key.uid);
      return account ? { what: 'account', account } : erasedOf(db, 'account', key.uid, erasureKey);
    }
    case 'email':
      return erasedOf(db, 'address', key.address, erasureKey);
  }
}

async function erasedOf(
  db: Database,
  kind: 'address' | 'account',
  key: string,
  erasureKey: string | null,
): Promise<Ended | null> {
  if (erasureKey === null) return null;
  const [until = Number.NEGATIVE_INFINITY] = await erasureTimes(db, [[{ kind, key }]], erasureKey);
  return Number.isFinite(until) ? { what: 'erased', kind, until } : null;
}
