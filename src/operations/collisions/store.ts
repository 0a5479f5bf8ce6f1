import type { Queries } from '../../postgres/database';

/** The number of rows that one statement reads. */
const PAGE = 500;

/** All held claims of one account on one address. */
export interface HeldClaims {
  address: string;
  uid: string;
  claims: number;
  /** The times of the earliest and the latest of them, in milliseconds since 1970. */
  since: number;
  until: number;
  /** The event that carried the latest of them. */
  event: string;
  /** The contact that has the address now, and its account, live or deleted. */
  contactId: string | null;
  contactUid: string | null;
}

export interface HeldFilter {
  uid?: string | null;
  address?: string | null;
}

/** Held claims in pages, sorted by address and account. None comes twice, whatever is released or held meanwhile. */
export async function* heldPages(
  db: Queries,
  { uid = null, address = null }: HeldFilter,
  { size = PAGE, limit = Number.POSITIVE_INFINITY }: { size?: number; limit?: number },
): AsyncIterable<HeldClaims[]> {
  let last: { address: string | null; uid: string | null } = { address: null, uid: null };
  for (let left = limit; left > 0; ) {
    // `address >=` is redundant, but lets the index be used.
    const page = await db.$queryRaw<HeldClaims[]>`
      SELECT held.*, e.contact_id AS "contactId", a.uid AS "contactUid"
      FROM (
        SELECT address, uid, count(*)::int AS claims, (extract(epoch FROM min(at)) * 1000)::float8 AS since,
          (extract(epoch FROM max(at)) * 1000)::float8 AS until, (array_agg(event ORDER BY at DESC))[1] AS event
        FROM address_claim
        WHERE status = 'held' AND (${uid}::text IS NULL OR uid = ${uid})
          AND (${address}::text IS NULL OR address = ${address})
          AND (${last.address}::text IS NULL OR (
            address >= ${last.address} AND (address, uid) > (${last.address}, ${last.uid})))
        GROUP BY address, uid ORDER BY address, uid LIMIT ${Math.min(size, left)}
      ) AS held
      LEFT JOIN email_address e ON e.address = held.address
      LEFT JOIN account a ON a.contact_id = e.contact_id
      ORDER BY held.address, held.uid`;
    if (page.length === 0) return;
    yield page;
    last = page.at(-1) as HeldClaims;
    left -= page.length;
  }
}

/** The number of pairs of address and account with held claims. */
export async function countHeldClaims(db: Queries, { uid = null, address = null }: HeldFilter): Promise<number> {
  const [row] = await db.$queryRaw<{ pairs: number }[]>`
    SELECT count(DISTINCT (address, uid))::int AS pairs FROM address_claim
    WHERE status = 'held' AND (${uid}::text IS NULL OR uid = ${uid})
      AND (${address}::text IS NULL OR address = ${address})`;
  return row?.pairs ?? 0;
}

/** A live account that owns no address and has no held claim: it needs a review. */
export interface AccountWithoutAddress {
  uid: string;
  contactId: string;
  /** The address it claimed last, erased ones aside, when (milliseconds since 1970), and the contact that has it now. */
  address: string | null;
  claimedAt: number | null;
  holderId: string | null;
}

/** Sorted by uid. */
export async function* accountsWithoutAddress(db: Queries): AsyncIterable<AccountWithoutAddress> {
  for (let after: string | null = null; ; ) {
    const page: AccountWithoutAddress[] = await db.$queryRaw`
      SELECT a.uid, a.contact_id AS "contactId", last.address, last.at AS "claimedAt", last.contact_id AS "holderId"
      FROM account a
      LEFT JOIN LATERAL (
        SELECT c.address, (extract(epoch FROM c.at) * 1000)::float8 AS at, e.contact_id
        FROM address_claim c JOIN email_address e ON e.address = c.address
        WHERE c.uid = a.uid ORDER BY c.at DESC, c.address DESC LIMIT 1
      ) AS last ON true
      WHERE a.deleted_at IS NULL AND (${after}::text IS NULL OR a.uid > ${after})
        AND NOT EXISTS (SELECT FROM email_address own WHERE own.contact_id = a.contact_id)
        AND NOT EXISTS (SELECT FROM address_claim held WHERE held.uid = a.uid AND held.status = 'held')
      ORDER BY a.uid LIMIT ${PAGE}`;
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.uid ?? null;
  }
}
