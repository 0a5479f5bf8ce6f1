import type { AddressFacts } from '../contacts/facts';
import { ADDRESS_COLUMNS, type AddressRow, addressFactsOf, addressRows } from './address-rows';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** What is stored of an address. */
export interface LockedAddress {
  facts: AddressFacts;
  contactId: string;
}

/**
 * Takes the locks on addresses, in their order: those that are new by inserting their rows (a unique index is a lock;
 * whoever inserts the same one waits), then all others. Whoever works on an address holds its lock until the commit.
 *
 * @param news addresses that events name, with what they say and the id of the contact to make if the address is new.
 * @param others addresses that are known, and touched all the same.
 * @returns all rows, and which of them were new.
 */
export async function lockAddresses(
  tx: Queries,
  news: readonly LockedAddress[],
  others: readonly string[],
): Promise<{ rows: LockedAddress[]; fresh: Set<string> }> {
  const inserted =
    news.length === 0
      ? []
      : await tx.$queryRaw<{ address: string }[]>`
          INSERT INTO email_address (address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
            country, country_at, lang, lang_at, format, format_at)
          SELECT address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
            country, country_at, lang, lang_at, format, format_at
          FROM ${addressRows(news)}
          ORDER BY address COLLATE "C"
          ON CONFLICT (address) DO NOTHING
          RETURNING address`;
  const fresh = new Set(inserted.map(({ address }) => address));
  const known = [...new Set([...news.map(({ facts }) => facts.address), ...others])].filter(
    (address) => !fresh.has(address),
  );
  const locked =
    known.length === 0
      ? []
      : await tx.$queryRaw<AddressRow[]>`
          SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${arrayLiteral(known)}::text[])
          ORDER BY address FOR NO KEY UPDATE`;
  return {
    rows: [
      ...news.filter(({ facts }) => fresh.has(facts.address)),
      ...locked.map((row) => ({ facts: addressFactsOf(row), contactId: row.contact_id })),
    ],
    fresh,
  };
}
