import type { ConnectedComponent } from '../contacts/identity/connected-component';
import type { Person } from '../contacts/identity/ownership';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** The account and the sorted addresses of some contacts, by contact id; contacts without either are left out. */
export async function loadPeople(db: Queries, ids: readonly string[]): Promise<Map<string, Person>> {
  const wanted = arrayLiteral(ids);
  return byContact(
    await db.$queryRaw<Member[]>`
      SELECT contact_id, address, NULL AS uid FROM email_address WHERE contact_id = ANY (${wanted}::uuid[])
      UNION ALL
      SELECT contact_id, NULL, uid FROM account WHERE contact_id = ANY (${wanted}::uuid[])`,
  );
}

/** The people of the contacts that have some addresses and accounts. */
export async function loadPeopleAt(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Map<string, Person>> {
  return byContact(
    await db.$queryRaw<Member[]>`
      WITH wanted (id) AS MATERIALIZED (
        SELECT contact_id FROM email_address WHERE address = ANY (${arrayLiteral(addresses)}::text[])
        UNION SELECT contact_id FROM account WHERE uid = ANY (${arrayLiteral(uids)}::text[]) AND contact_id IS NOT NULL
      )
      SELECT own.* FROM wanted, LATERAL (
        SELECT contact_id, address, NULL AS uid FROM email_address WHERE contact_id = wanted.id
        UNION ALL SELECT contact_id, NULL, uid FROM account WHERE contact_id = wanted.id
      ) AS own`,
  );
}

interface Member {
  contact_id: string;
  address: string | null;
  uid: string | null;
}

function byContact(members: readonly Member[]): Map<string, Person> {
  const people = new Map<string, Person>();
  for (const { contact_id: id, address, uid } of members) {
    const person = people.get(id) ?? { uid: null, addresses: [] };
    people.set(id, person);
    if (address === null) person.uid = uid;
    else person.addresses.push(address);
  }
  for (const { addresses } of people.values()) addresses.sort();
  return people;
}

/** The contact that has each of some addresses now; addresses that no contact has are left out. */
export const holdersOf = (
  db: Queries,
  addresses: readonly string[],
): Promise<{ address: string; contactId: string }[]> => db.$queryRaw`
  SELECT address, contact_id AS "contactId" FROM email_address
  WHERE address = ANY (${arrayLiteral(addresses)}::text[]) ORDER BY address`;
