import type { AccountFacts, Dated } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { assigned, type Columns, namesOf, rowSource, selected, type Write } from '../statement';

/** A stored account: its facts and its contact, if it has one. */
export interface StoredAccount {
  facts: AccountFacts;
  contactId: string | null;
}

type Field = 'locale' | 'country' | 'service';

/** A row as {@link ACCOUNT_COLUMNS} selects it; each field has a value and the time at which it was learned. */
export type AccountRow = {
  uid: string;
  contact_id: string | null;
  created_at: number | null;
  deleted_at: number | null;
} & Record<Field, string | null> &
  Record<`${Field}_at`, number | null>;

const fieldColumns = (field: Field): Columns<StoredAccount> => ({
  [field]: ['text', ({ facts }) => facts[field]?.value ?? null],
  [`${field}_at`]: ['time', ({ facts }) => facts[field]?.at ?? null],
});

const COLUMNS: Columns<StoredAccount> = {
  uid: ['text', ({ facts }) => facts.uid],
  contact_id: ['uuid', ({ contactId }) => contactId],
  created_at: ['time', ({ facts }) => facts.createdAt ?? null],
  deleted_at: ['time', ({ facts }) => facts.deletedAt ?? null],
  ...fieldColumns('locale'),
  ...fieldColumns('country'),
  ...fieldColumns('service'),
};

export const ACCOUNT_COLUMNS = selected(COLUMNS);

export const accountFactsOf = (row: AccountRow): AccountFacts => ({
  uid: row.uid,
  createdAt: row.created_at ?? undefined,
  deletedAt: row.deleted_at ?? undefined,
  locale: dated(row.locale, row.locale_at),
  country: dated(row.country, row.country_at),
  service: dated(row.service, row.service_at),
});

const dated = (value: string | null, at: number | null): Dated<string> | undefined =>
  value === null || at === null ? undefined : { value, at };

export async function loadAccounts(db: Queries, uids: readonly string[]): Promise<AccountFacts[]> {
  const rows = await db.$queryRaw<AccountRow[]>`
    SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${arrayLiteral(uids)}::text[])`;
  return rows.map(accountFactsOf);
}

/** Locks and returns those of these accounts that are stored, in the order of their uids. */
export async function lockAccounts(tx: Queries, uids: readonly string[]): Promise<StoredAccount[]> {
  const rows = await tx.$queryRaw<AccountRow[]>`
    SELECT ${ACCOUNT_COLUMNS} FROM account WHERE uid = ANY (${arrayLiteral(uids)}::text[])
    ORDER BY uid FOR NO KEY UPDATE`;
  return rows.map((row) => ({ facts: accountFactsOf(row), contactId: row.contact_id }));
}

/**
 * Inserts new accounts, in the order of their uids.
 *
 * @returns how many were inserted; rows that another transaction has inserted meanwhile are left out.
 */
export function insertAccounts(tx: Queries, rows: readonly StoredAccount[]): Promise<number> {
  return tx.$executeRaw`
    INSERT INTO account (${namesOf(COLUMNS)})
    SELECT ${namesOf(COLUMNS)} FROM ${rowSource(rows, COLUMNS)}
    ORDER BY uid COLLATE "C"
    ON CONFLICT (uid) DO NOTHING`;
}

/**
 * Detaches all deleted accounts from their contacts, before {@link updateAccounts}: an account that was created again may get
 * its predecessor's contact, while the predecessor gets another one.
 */
export const detachDeletedAccounts = (rows: readonly StoredAccount[]): Write =>
  update(rows.filter(({ facts }) => facts.deletedAt !== undefined).map(({ facts }) => ({ facts, contactId: null })));

/** Rewrites the rows of locked accounts that have a contact. */
export const updateAccounts = (rows: readonly StoredAccount[]): Write =>
  update(rows.filter(({ contactId }) => contactId !== null));

function update(rows: readonly StoredAccount[]): Write {
  if (rows.length === 0) return null;
  return Prisma.sql`
    UPDATE account AS known SET ${assigned(COLUMNS)} FROM ${rowSource(rows, COLUMNS)}
    WHERE known.uid = x.uid`;
}
