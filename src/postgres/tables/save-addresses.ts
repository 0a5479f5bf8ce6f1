import type { AddressFacts } from '../../contacts/facts/facts';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';
import { addressRows } from './address-rows';

/** Rewrites the rows of addresses that are locked. */
export function updateAddresses(rows: readonly { facts: AddressFacts; contactId: string }[]): Write {
  if (rows.length === 0) return null;
  return Prisma.sql`
    UPDATE email_address AS known SET
      typed = x.typed, typed_at = x.typed_at, contact_id = x.contact_id,
      first_name = x.first_name, first_name_at = x.first_name_at, last_name = x.last_name, last_name_at = x.last_name_at,
      country = x.country, country_at = x.country_at, lang = x.lang, lang_at = x.lang_at,
      format = x.format, format_at = x.format_at
    FROM ${addressRows(rows)}
    WHERE known.address = x.address`;
}
