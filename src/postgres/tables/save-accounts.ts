import type { AccountFacts } from '../../contacts/facts/facts';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';
import { accountRows } from './account-rows';

export interface AccountToSave {
  facts: AccountFacts;
  contactId: string | null;
}

/**
 * First all deleted accounts leave their contacts (a live one never leaves its own): an account made anew may take its
 * predecessor's, while that gets another.
 */
export const leaveContacts = (rows: readonly AccountToSave[]): Write =>
  update(rows.filter(({ facts }) => facts.deletedAt !== undefined).map(({ facts }) => ({ facts, contactId: null })));

/** Then those that have one get it. */
export const updateAccounts = (rows: readonly AccountToSave[]): Write =>
  update(rows.filter(({ contactId }) => contactId !== null));

function update(rows: readonly AccountToSave[]): Write {
  if (rows.length === 0) return null;
  return Prisma.sql`
    UPDATE account AS known SET
      contact_id = x.contact_id, deleted_at = x.deleted_at, locale = x.locale, locale_at = x.locale_at,
      country = x.country, country_at = x.country_at, service = x.service, service_at = x.service_at
    FROM ${accountRows(rows)}
    WHERE known.uid = x.uid`;
}
