import type { Time } from '../contacts/facts/event';
import type { Queries, Transaction } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';

/** Numbers of rows that were removed or blanked. */
export interface Purged {
  /** Claims between two of the same account. */
  claims: number;
  /** Repeated subscriptions, and all choices of deleted accounts except refusals. */
  choices: number;
  /** Deleted accounts that were blanked. */
  accounts: number;
  /** Addresses with nothing but claims of deleted accounts. */
  addresses: number;
  /** Contacts that were left with nothing, and closed. */
  contacts: number;
  /** Merges that lost their explanation. */
  explanations: number;
  /** Old entries of the audit. */
  audit: number;
}

export const NOTHING: Readonly<Purged> = {
  claims: 0,
  choices: 0,
  accounts: 0,
  addresses: 0,
  contacts: 0,
  explanations: 0,
  audit: 0,
};

/** A range of a table's keys, in their order: after one key, up to and including another. */
export interface Page {
  after: string;
  last: string;
  rows: number;
}

export interface Limits {
  /** Milliseconds since 1970: only older facts are removed. */
  before: Time;
  /** The same for audit entries; null keeps all of them. */
  auditBefore: Time | null;
  /** The highest number of rows of a kind that one transaction removes; null for no limit. */
  rows: number | null;
}

/** Whether something may be left in the page, because the limit of rows was reached. */
export type StepResult = Partial<Purged> & { more?: boolean };

/** What is done with a page, in a transaction of its own. A repetition finds nothing to do. */
export type Step = (tx: Transaction, page: Page, limits: Limits) => Promise<StepResult>;

const KEYS = {
  email_address: { key: 'address', type: 'text', first: '' },
  account: { key: 'uid', type: 'text', first: '' },
  merge: { key: 'id', type: 'uuid', first: '00000000-0000-0000-0000-000000000000' },
  audit: { key: 'seq', type: 'bigint', first: '0' },
} as const;

export type PagedTable = keyof typeof KEYS;

/**
 * The rows of a table that follow a key. Takes no locks.
 *
 * @param after without it, the table's first rows
 * @returns null after the last row
 */
export async function nextPage(
  db: Queries,
  table: PagedTable,
  size: number,
  after: string = KEYS[table].first,
): Promise<Page | null> {
  const [{ type }, key] = [KEYS[table], Prisma.raw(KEYS[table].key)];
  const [page] = await db.$queryRaw<{ last: string; rows: number }[]>`
    SELECT key::text AS last, rows FROM (
      SELECT ${key} AS key, (count(*) OVER ())::int AS rows FROM (
        SELECT ${key} FROM ${Prisma.raw(table)} WHERE ${key} > ${after}::${Prisma.raw(type)} ORDER BY ${key} LIMIT ${size}
      ) AS page
    ) AS counted
    ORDER BY key DESC LIMIT 1`;
  return page ? { after, ...page } : null;
}

/** Whether a column of the paged table is in the page. */
export function within(column: string, { after, last }: Page): Prisma.Sql {
  const key = Prisma.raw(column);
  return Prisma.sql`${key} > ${after} AND ${key} <= ${last}`;
}

/** Whether a column's time is before a limit. */
export const isBefore = (column: string, time: Time): Prisma.Sql =>
  Prisma.sql`${Prisma.raw(column)} < to_timestamp(${time}::float8 / 1000)`;

/** Whether a step that removed so many rows has reached its limit. */
export const isFull = (removed: number, { rows }: Limits): boolean => rows !== null && removed >= rows;
