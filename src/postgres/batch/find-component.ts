import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { STALE_READ } from '../errors';
import { Prisma } from '../generated/prisma/client';
import { nextAlongClaims } from '../tables/address-claim';

/** Where a search begins: addresses, accounts, and contacts by token or id. */
export interface Seeds extends ConnectedComponent {
  tokens: string[];
  /** Ids of contacts, live or not. */
  ids?: string[];
}

/** Another transaction changed what was looked up before it was locked. Nothing was written: try again. */
export class StaleReadError extends Error {
  readonly code = STALE_READ;
}

/**
 * An arbitrary lock number, shared by all transactions of a database that look before they lock. A transaction must take this
 * lock before any other lock that a transaction which looks alone may wait for; otherwise the two could wait for each other.
 */
const LOOK_LOCK = 7_261_011;

/** Until this transaction ends, no other one looks. After this, only a sign-up at a new address can make a look stale. */
export async function lookAlone(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${LOOK_LOCK}::bigint)`;
}

/** Until this transaction ends, no other one looks alone. For a transaction that locks something before its look. */
export async function lookTogether(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT ${PERMISSION_TO_LOOK}`;
}

/**
 * For a query that looks before the transaction locks any row. A query under row locks never asks for it: a transaction that
 * looks alone may wait for these locks.
 */
export const PERMISSION_TO_LOOK = Prisma.sql`pg_advisory_xact_lock_shared(${LOOK_LOCK}::bigint)`;

/** The contacts that some tokens and ids open. */
export const contactsOf = ({ tokens, ids = [] }: Seeds): Prisma.Sql => Prisma.sql`
  SELECT coalesce(merged_into, id) AS id FROM contact WHERE id = ANY (${arrayLiteral(ids)}::uuid[])
  UNION SELECT coalesce(merged_into, id) FROM contact WHERE id = ANY (ARRAY (
    SELECT contact_id FROM basket_token WHERE token = ANY (${arrayLiteral(tokens)}::uuid[])))`;

/**
 * All addresses and accounts that claims connect to the seeds, however many. Takes no row locks: lock the result, then
 * check that it is still complete.
 */
export async function findComponent(
  db: Queries,
  seeds: Seeds,
  permission: Prisma.Sql = Prisma.sql`NULL`,
): Promise<ConnectedComponent> {
  const rows = await db.$queryRaw<{ kind: 'address' | 'account'; key: string }[]>`
    WITH RECURSIVE
    permission AS MATERIALIZED (SELECT ${permission}),
    target AS (${contactsOf(seeds)}),
    component (kind, key) AS (
      (
        SELECT 'address', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.addresses)}::text[]) AS key
        UNION SELECT 'account', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.uids)}::text[]) AS key
        UNION SELECT 'address', address
        FROM target, LATERAL (SELECT address FROM email_address WHERE contact_id = target.id OFFSET 0) AS own
        UNION SELECT 'account', uid
        FROM target, LATERAL (SELECT uid FROM account WHERE contact_id = target.id OFFSET 0) AS own
      )
      UNION
      ${nextAlongClaims('component')}
    )
    SELECT kind, key FROM component, permission`;
  const keys = (kind: string): string[] => rows.filter((row) => row.kind === kind).map((row) => row.key);
  return { addresses: keys('address'), uids: keys('account') };
}
