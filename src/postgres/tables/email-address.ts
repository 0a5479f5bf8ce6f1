import {
  type AddressFacts,
  type Dated,
  FIELD_NAMES,
  type FieldName,
  hasProfile,
  NO_PROFILE,
  PROFILE_FIELDS,
  type ProfileField,
} from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { assigned, type Columns, namesOf, rowSource, selected, type Write } from '../statement';
import { withErasureKey } from './erasure';

/** A stored address: its facts and the contact that has it. */
export interface StoredAddress {
  facts: AddressFacts;
  contactId: string;
}

/** Two columns for each field: a value, and the time at which it was learned. */
type StoredFields = Record<FieldName, string | null> & Record<`${FieldName}_at`, number | null>;

/** A row as {@link ADDRESS_COLUMNS} selects it. */
export type AddressRow = { address: string; typed: string; typed_at: number; contact_id: string } & StoredFields;

const fieldColumns = (field: ProfileField): Columns<StoredAddress> => ({
  [FIELD_NAMES[field]]: ['text', ({ facts }) => facts.profile[field]?.value ?? null],
  [`${FIELD_NAMES[field]}_at`]: ['time', ({ facts }) => facts.profile[field]?.at ?? null],
});

const COLUMNS: Columns<StoredAddress> = {
  address: ['text', ({ facts }) => facts.address],
  typed: ['text', ({ facts }) => facts.typed.value],
  typed_at: ['time', ({ facts }) => facts.typed.at],
  contact_id: ['uuid', ({ contactId }) => contactId],
  ...Object.assign({}, ...PROFILE_FIELDS.map(fieldColumns)),
};

export const ADDRESS_COLUMNS = selected(COLUMNS);

export function addressFactsOf(row: AddressRow): AddressFacts {
  const profile = {
    firstName: dated(row.first_name, row.first_name_at),
    lastName: dated(row.last_name, row.last_name_at),
    country: dated(row.country, row.country_at),
    lang: dated(row.lang, row.lang_at),
    format: dated(row.format, row.format_at),
  } satisfies Record<ProfileField, Dated | undefined>;
  const facts = { address: row.address, typed: { value: row.typed, at: row.typed_at }, profile };
  return hasProfile(facts) ? facts : { ...facts, profile: NO_PROFILE };
}

const dated = (value: string | null, at: number | null): Dated | undefined => (at === null ? undefined : { value, at });

export async function loadAddresses(db: Queries, addresses: readonly string[]): Promise<AddressFacts[]> {
  const rows = await db.$queryRaw<AddressRow[]>`
    SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${arrayLiteral(addresses)}::text[])`;
  return rows.map(addressFactsOf);
}

/** The contact that has an address. */
export async function findHolder(db: Queries, address: string): Promise<string | null> {
  const [row] = await db.$queryRaw<{ id: string }[]>`
    SELECT contact_id AS id FROM email_address WHERE address = ${address}`;
  return row?.id ?? null;
}

/**
 * Locks and returns those of these addresses that are stored, in the order of the addresses.
 *
 * @param erasureKey is checked in the same round trip; undefined if no event is applied.
 * @throws WrongErasureKeyError
 */
export async function lockAddresses(
  tx: Queries,
  addresses: readonly string[],
  erasureKey: string | null | undefined,
): Promise<StoredAddress[]> {
  const query = Prisma.sql`
    SELECT ${ADDRESS_COLUMNS} FROM email_address WHERE address = ANY (${arrayLiteral(addresses)}::text[])
    ORDER BY address FOR NO KEY UPDATE`;
  const rows =
    erasureKey === undefined
      ? await tx.$queryRaw<AddressRow[]>(query)
      : await withErasureKey<AddressRow>(tx, erasureKey, query);
  return rows.map((row) => ({ facts: addressFactsOf(row), contactId: row.contact_id }));
}

/**
 * Inserts new addresses, in the order of the addresses.
 *
 * @returns how many were inserted; rows that another transaction has inserted meanwhile are left out.
 */
export function insertAddresses(tx: Queries, rows: readonly StoredAddress[]): Promise<number> {
  return tx.$executeRaw`
    INSERT INTO email_address (${namesOf(COLUMNS)})
    SELECT ${namesOf(COLUMNS)} FROM ${rowSource(rows, COLUMNS)}
    ORDER BY address COLLATE "C"
    ON CONFLICT (address) DO NOTHING`;
}

/** Rewrites the rows of locked addresses. */
export function updateAddresses(rows: readonly StoredAddress[]): Write {
  if (rows.length === 0) return null;
  return Prisma.sql`
    UPDATE email_address AS known SET ${assigned(COLUMNS)} FROM ${rowSource(rows, COLUMNS)}
    WHERE known.address = x.address`;
}

const SPELLING: Columns<AddressFacts> = {
  address: ['text', ({ address }) => address],
  typed: ['text', ({ typed }) => typed.value],
  typed_at: ['time', ({ typed }) => typed.at],
};

export function updateSpellings(rows: readonly AddressFacts[]): Write {
  if (rows.length === 0) return null;
  return Prisma.sql`
    UPDATE email_address AS known SET ${assigned(SPELLING)} FROM ${rowSource(rows, SPELLING)}
    WHERE known.address = x.address`;
}
