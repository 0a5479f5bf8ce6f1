import type { AddressFacts } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { StaleReadError } from '../find-component';
import { ADDRESS_COLUMNS, type AddressRow, addressFactsOf, addressRows } from './address-rows';

/** What is stored of an address. */
export interface LockedAddress {
  facts: AddressFacts;
  contactId: string;
}

/**
 * Takes the locks on addresses: first those of all rows that are there, then those of the new ones by inserting their rows
 * (a unique index is a lock; whoever inserts the same one waits), each in the order of the addresses. Whoever works on an
 * address holds its lock until the commit. Nobody who inserts waits for a row that was there, so nobody waits in a circle.
 *
 * @param incoming addresses that events name, with what they say and the id of the contact to make if the address is new.
 * @param others addresses that are known, and touched all the same.
 * @returns all rows, and which of them were new.
 * @throws ReachGrew when somebody else inserted one between the two: to lock it now would be out of order.
 */
export async function lockAddresses(
  tx: Queries,
  incoming: readonly LockedAddress[],
  others: readonly string[],
): Promise<{ rows: LockedAddress[]; fresh: Set<string> }> {
  const wanted = [...new Set([...incoming.map(({ facts }) => facts.address), ...others])];
  if (wanted.length === 0) return { rows: [], fresh: new Set() };
  const locked = await tx.$queryRaw<AddressRow[]>`
    SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${arrayLiteral(wanted)}::text[])
    ORDER BY address FOR NO KEY UPDATE`;
  const rows = locked.map((row) => ({ facts: addressFactsOf(row), contactId: row.contact_id }));
  const known = new Set(locked.map(({ address }) => address));
  const missing = incoming.filter(({ facts }) => !known.has(facts.address));
  if (missing.length === 0) return { rows, fresh: new Set() };
  const inserted = await tx.$executeRaw`
    INSERT INTO email_address (address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
      country, country_at, lang, lang_at, format, format_at)
    SELECT address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
      country, country_at, lang, lang_at, format, format_at
    FROM ${addressRows(missing)}
    ORDER BY address COLLATE "C"
    ON CONFLICT (address) DO NOTHING`;
  if (inserted < missing.length) throw new StaleReadError();
  return { rows: [...rows, ...missing], fresh: new Set(missing.map(({ facts }) => facts.address)) };
}
