import type { AccountFacts, Dated } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';

/** A row of `account` as the statements here read it; times are milliseconds since 1970. */
export interface AccountRow {
  uid: string;
  deleted_at: number | null;
  locale: string | null;
  locale_at: number | null;
  country: string | null;
  country_at: number | null;
  service: string | null;
  service_at: number | null;
  contact_id: string | null;
}

const DATED = ['locale', 'country', 'service'] as const;

export const ACCOUNT_COLUMNS = Prisma.raw(`
  uid, contact_id, (extract(epoch FROM deleted_at) * 1000)::float8 AS deleted_at,
  ${DATED.map((column) => `${column}, (extract(epoch FROM ${column}_at) * 1000)::float8 AS ${column}_at`).join(', ')}`);

export function accountFactsOf(row: AccountRow): AccountFacts {
  const facts: AccountFacts = { uid: row.uid };
  if (row.deleted_at !== null) facts.deletedAt = row.deleted_at;
  for (const field of DATED) {
    const [value, at] = [row[field], row[`${field}_at`]];
    if (value !== null && at !== null) facts[field] = { value, at };
  }
  return facts;
}

/** A row source `x` with all columns of `account`, for an INSERT or an UPDATE. */
export function accountRows(rows: readonly { facts: AccountFacts; contactId: string | null }[]): Prisma.Sql {
  const dated = (field: (typeof DATED)[number]): (Dated<string> | undefined)[] => rows.map(({ facts }) => facts[field]);
  const values = (field: (typeof DATED)[number]) => dated(field).map((item) => item?.value ?? null);
  const times = (field: (typeof DATED)[number]) => dated(field).map((item) => item?.at ?? null);
  return Prisma.sql`(
    SELECT uid, contact_id, to_timestamp(deleted_at / 1000) AS deleted_at, locale, to_timestamp(locale_at / 1000) AS locale_at,
      country, to_timestamp(country_at / 1000) AS country_at, service, to_timestamp(service_at / 1000) AS service_at
    FROM unnest(
      ${arrayLiteral(rows.map(({ facts }) => facts.uid))}::text[], ${arrayLiteral(rows.map(({ contactId }) => contactId))}::uuid[],
      ${arrayLiteral(rows.map(({ facts }) => facts.deletedAt ?? null))}::float8[],
      ${arrayLiteral(values('locale'))}::text[], ${arrayLiteral(times('locale'))}::float8[], ${arrayLiteral(values('country'))}::text[], ${arrayLiteral(times('country'))}::float8[],
      ${arrayLiteral(values('service'))}::text[], ${arrayLiteral(times('service'))}::float8[]
    ) AS y (uid, contact_id, deleted_at, locale, locale_at, country, country_at, service, service_at)
  ) AS x`;
}
