import type { Queries } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';

/** A stretch of the keys of a table, in their order: those after one, up to and including another. */
export interface Page {
  after: string;
  last: string;
  rows: number;
}

const KEYS = {
  email_address: { key: 'address', type: 'text', first: '' },
  account: { key: 'uid', type: 'text', first: '' },
  merge: { key: 'id', type: 'uuid', first: '00000000-0000-0000-0000-000000000000' },
} as const;

export type PagedTable = keyof typeof KEYS;

/** All rows of a table, page by page, each found when the one before it is done. Takes no locks. */
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
