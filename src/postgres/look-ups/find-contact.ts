import type { Facts } from '../../contacts/facts/facts';
import type { LookupKey } from '../../contacts/facts/lookup-key';
import type { Person } from '../../contacts/identity/ownership';
import { contactSnapshot, type StoredContact } from '../../contacts/profile/contact-snapshot';
import { contactView } from '../../contacts/profile/contact-view';
import { arrayLiteral } from '../array-literal';
import { loadFacts } from '../batch/load-facts';
import { type Database, inSnapshot, type Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { loadPeople } from '../people';
import { loadLiveContacts } from '../tables/contact';

/** The live contact that a key opens. Null for every other key: unknown, retired, merged, closed, a deleted account. */
export async function findContact(db: Database, key: LookupKey): Promise<StoredContact | null> {
  return (await findContacts(db, [key]))[0] ?? null;
}

/** The contact of each key, in order, as {@link findContact} finds it; all as of one moment. */
export function findContacts(db: Database, keys: readonly LookupKey[]): Promise<(StoredContact | null)[]> {
  return inSnapshot(db, async (tx) => {
    const idOf = await idsOf(tx, keys);
    const ids = keys.map((key) => idOf.get(nameOf(key)));
    const found = new Map((await loadSnapshots(tx, [...new Set(idOf.values())])).map((each) => [each.id, each]));
    return ids.map((id) => found.get(id ?? '') ?? null);
  });
}

/** The contact ids of keys, in one statement, which names only the tables that these kinds of keys need. */
async function idsOf(db: Queries, keys: readonly LookupKey[]): Promise<Map<string, string>> {
  const queries = (Object.keys(IDS_OF) as LookupKey['by'][]).flatMap((by) => {
    const texts = keys.flatMap((key) => (key.by === by ? textOf(key) : []));
    return texts.length > 0 ? IDS_OF[by](arrayLiteral(texts)) : [];
  });
  if (queries.length === 0) return new Map();
  const rows = await db.$queryRaw<{ by: LookupKey['by']; key: string; id: string }[]>(
    Prisma.join(queries, ' UNION ALL '),
  );
  return new Map(rows.map(({ by, key, id }) => [`${by} ${key}`, id]));
}

/** Each key is looked up by itself (LIMIT), so that no plan reads a whole table. */
const IDS_OF: Record<LookupKey['by'], (keys: string) => Prisma.Sql> = {
  token: (keys) => Prisma.sql`
    SELECT 'token' AS by, key::text, found.id FROM unnest(${keys}::uuid[]) AS key, LATERAL (
      SELECT contact_id AS id FROM basket_token WHERE token = key AND state = 'live' LIMIT 1) AS found`,
  email: (keys) => Prisma.sql`
    SELECT 'email' AS by, key, found.id FROM unnest(${keys}::text[]) AS key, LATERAL (
      SELECT contact_id AS id FROM email_address WHERE address = key LIMIT 1) AS found`,
  account: (keys) => Prisma.sql`
    SELECT 'account' AS by, key, found.id FROM unnest(${keys}::text[]) AS key, LATERAL (
      SELECT contact_id AS id FROM account
      WHERE uid = key AND deleted_at IS NULL AND contact_id IS NOT NULL LIMIT 1) AS found`,
  id: (keys) => Prisma.sql`
    SELECT 'id' AS by, key::text, found.id FROM unnest(${keys}::uuid[]) AS key, LATERAL (
      SELECT id FROM contact WHERE id = key AND state = 'live' LIMIT 1) AS found`,
};

function textOf(key: LookupKey): string {
  switch (key.by) {
    case 'token':
      return key.token;
    case 'email':
      return key.address;
    case 'account':
      return key.uid;
    case 'id':
      return key.id;
  }
}

const nameOf = (key: LookupKey): string => `${key.by} ${textOf(key)}`;

/**
 * Live contacts as readers see them, in the order of the given ids; other contacts are left out. Runs a fixed number of
 * statements: call it in a snapshot.
 */
export const loadSnapshots = async (db: Queries, ids: readonly string[]): Promise<StoredContact[]> =>
  (await loadReaders(db, ids)).map(({ contact }) => contact);

/** A live contact, with what its view is made of. */
export interface Reader {
  contact: StoredContact;
  person: Person;
  /** Also facts about others, because claims connect people. */
  facts: Facts;
}

/** A live contact as it is now; null for every other id. */
export const findReader = (db: Database, id: string): Promise<Reader | null> =>
  inSnapshot(db, async (tx) => (await loadReaders(tx, [id]))[0] ?? null);

/** The same as {@link loadSnapshots}, with the facts. */
export async function loadReaders(db: Queries, ids: readonly string[]): Promise<Reader[]> {
  if (ids.length === 0) return [];
  const contacts = new Map((await loadLiveContacts(db, ids)).map((row) => [row.id, row]));
  const people = await loadPeople(db, ids);
  const facts = await loadFacts(db, {
    addresses: [...people.values()].flatMap(({ addresses }) => addresses),
    uids: [...people.values()].flatMap(({ uid }) => uid ?? []),
  });
  return ids.flatMap((id) => {
    const [row, person] = [contacts.get(id), people.get(id)];
    if (!row || !person) return [];
    const { version, token, created_at: createdAt, updated_at: updatedAt } = row;
    const snapshot = contactSnapshot({ id, token, version }, contactView(facts, person), facts);
    return [{ contact: { ...snapshot, createdAt, updatedAt }, person, facts }];
  });
}
