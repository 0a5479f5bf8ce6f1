import { type AddressFacts, type Dated, PROFILE_FIELDS, type ProfileField } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';

/** A row of `email_address` as the statements here read it; times are milliseconds since 1970. */
export interface AddressRow {
  address: string;
  typed: string;
  typed_at: number;
  first_name: string | null;
  first_name_at: number | null;
  last_name: string | null;
  last_name_at: number | null;
  country: string | null;
  country_at: number | null;
  lang: string | null;
  lang_at: number | null;
  format: string | null;
  format_at: number | null;
  contact_id: string;
}

const COLUMN = {
  firstName: 'first_name',
  lastName: 'last_name',
  country: 'country',
  lang: 'lang',
  format: 'format',
} as const satisfies Record<ProfileField, string>;

export const ADDRESS_COLUMNS = Prisma.raw(`
  address, typed, (extract(epoch FROM typed_at) * 1000)::float8 AS typed_at, contact_id,
  ${Object.values(COLUMN)
    .map((column) => `${column}, (extract(epoch FROM ${column}_at) * 1000)::float8 AS ${column}_at`)
    .join(', ')}`);

export function addressFactsOf(row: AddressRow): AddressFacts {
  const facts: AddressFacts = { address: row.address, typed: { value: row.typed, at: row.typed_at }, profile: {} };
  for (const field of PROFILE_FIELDS) {
    const at = row[`${COLUMN[field]}_at`];
    if (at !== null) facts.profile[field] = { value: row[COLUMN[field]], at };
  }
  return facts;
}

/** A row source `x` with all columns of `email_address`, for an INSERT or an UPDATE. */
export function addressRows(rows: readonly { facts: AddressFacts; contactId: string }[]): Prisma.Sql {
  const value = (field: ProfileField) => rows.map(({ facts }) => facts.profile[field]?.value ?? null);
  const time = (field: ProfileField) => rows.map(({ facts }) => facts.profile[field]?.at ?? null);
  const typed = rows.map(({ facts }): Dated<string> => facts.typed);
  return Prisma.sql`(
    SELECT address, typed, to_timestamp(typed_at / 1000) AS typed_at, contact_id,
      first_name, to_timestamp(first_name_at / 1000) AS first_name_at,
      last_name, to_timestamp(last_name_at / 1000) AS last_name_at,
      country, to_timestamp(country_at / 1000) AS country_at,
      lang, to_timestamp(lang_at / 1000) AS lang_at,
      format, to_timestamp(format_at / 1000) AS format_at
    FROM unnest(
      ${arrayLiteral(rows.map(({ facts }) => facts.address))}::text[], ${arrayLiteral(typed.map(({ value }) => value))}::text[],
      ${arrayLiteral(typed.map(({ at }) => at))}::float8[], ${arrayLiteral(rows.map(({ contactId }) => contactId))}::uuid[],
      ${arrayLiteral(value('firstName'))}::text[], ${arrayLiteral(time('firstName'))}::float8[], ${arrayLiteral(value('lastName'))}::text[], ${arrayLiteral(time('lastName'))}::float8[],
      ${arrayLiteral(value('country'))}::text[], ${arrayLiteral(time('country'))}::float8[], ${arrayLiteral(value('lang'))}::text[], ${arrayLiteral(time('lang'))}::float8[],
      ${arrayLiteral(value('format'))}::text[], ${arrayLiteral(time('format'))}::float8[]
    ) AS y (address, typed, typed_at, contact_id, first_name, first_name_at, last_name, last_name_at,
      country, country_at, lang, lang_at, format, format_at)
  ) AS x`;
}
