import type { Queries } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';

const PAGE = 5_000;

const KEYS = { address: Prisma.sql`address FROM email_address`, account: Prisma.sql`uid FROM account` };

export type KeyKind = keyof typeof KEYS;

/** All stored addresses or accounts, to find those whose keyed hashes are known. */
export async function* storedKeys(db: Queries, kind: KeyKind): AsyncIterable<string> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page: { key: string }[] = await db.$queryRaw`
      SELECT key FROM (SELECT ${KEYS[kind]}) AS names (key) WHERE key > ${after} ORDER BY key LIMIT ${PAGE}`;
    for (const { key } of page) yield key;
    after = page.at(-1)?.key;
  }
}
