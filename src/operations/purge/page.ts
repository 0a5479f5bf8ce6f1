import type { Time } from '../../contacts/facts/event';
import type { Queries, Transaction } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';

/** Numbers of rows that were purged. */
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

/** A range of a table's keys, in their order: after one key, up to and including another. */
export interface Page {
  after: string;
  last: string;
  rows: number;
}

/**
 * What is done to a page, in a transaction of its own. Repeated, it finds nothing.
 *
 * @param before milliseconds since 1970: only older facts are purged.
 */
export type PurgeStep = (tx: Transaction, page: Page, before: Time) => Promise<Partial<Purged>>;

const KEYS = {
  email_address: { key: 'address', type: 'text', first: '' },
  account: { key: 'uid', type: 'text', first: '' },
  merge: { key: 'id', type: 'uuid', first: '00000000-0000-0000-0000-000000000000' },
} as const;

export type PagedTable = keyof typeof KEYS;

/** All rows of a table, page by page; each page is looked up when the one before it is done. Takes no locks. */
export async function* pagesOf(db: Queries, table: PagedTable, size: number): AsyncGenerator<Page> {
  const [{ type, first }, key] = [KEYS[table], Prisma.raw(KEYS[table].key)];
  for (let after: string = first; ; ) {
    const [page] = await db.$queryRaw<{ last: string; rows: number }[]>`
      SELECT key::text AS last, rows FROM (
        SELECT ${key} AS key, (count(*) OVER ())::int AS rows FROM (
          SELECT ${key} FROM ${Prisma.raw(table)} WHERE ${key} > ${after}::${Prisma.raw(type)} ORDER BY ${key} LIMIT ${size}
        ) AS page
      ) AS counted
      ORDER BY key DESC LIMIT 1`;
    if (!page) return;
    yield { after, ...page };
    after = page.last;
  }
}
