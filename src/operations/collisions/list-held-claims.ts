import type { Queries } from '../../postgres/database';

/** All held claims of one account on one address. */
export interface HeldClaims {
  address: string;
  uid: string;
  claims: number;
  /** Of the earliest and the latest of them, in milliseconds since 1970. */
  since: number;
  until: number;
  /** What carried the latest of them. */
  event: string;
  /** The contact that has the address now, and its account; a deleted one's uid stays on it. */
  contactId: string | null;
  contactUid: string | null;
}

export interface HeldFilter {
  uid?: string | undefined;
  address?: string | undefined;
}

type Pair = Pick<HeldClaims, 'address' | 'uid'>;

/** Held claims by (address, account), in this order. (The look at the address alone is for its index.) */
export function listHeldClaims(
  db: Queries,
  { uid, address, after, limit }: HeldFilter & { after?: Pair | undefined; limit: number },
): Promise<HeldClaims[]> {
  return db.$queryRaw<HeldClaims[]>`
    SELECT held.*, e.contact_id AS "contactId", a.uid AS "contactUid"
    FROM (
      SELECT address, uid, count(*)::int AS claims, (extract(epoch FROM min(at)) * 1000)::float8 AS since,
        (extract(epoch FROM max(at)) * 1000)::float8 AS until, (array_agg(event ORDER BY at DESC))[1] AS event
      FROM address_claim
      WHERE status = 'held' AND (${uid ?? null}::text IS NULL OR uid = ${uid ?? null})
        AND (${address ?? null}::text IS NULL OR address = ${address ?? null})
        AND (${after?.address ?? null}::text IS NULL OR (
          address >= ${after?.address ?? null} AND (address, uid) > (${after?.address ?? null}, ${after?.uid ?? null})))
      GROUP BY address, uid ORDER BY address, uid LIMIT ${limit}
    ) AS held
    LEFT JOIN email_address e ON e.address = held.address
    LEFT JOIN account a ON a.contact_id = e.contact_id
    ORDER BY held.address, held.uid`;
}

/** All of them, page by page; whatever is released or held meanwhile, none comes twice. */
export async function* heldPages(
  db: Queries,
  filter: HeldFilter,
  { size, limit = Number.POSITIVE_INFINITY }: { size: number; limit?: number },
): AsyncIterable<HeldClaims[]> {
  let [after, left]: [HeldClaims | undefined, number] = [undefined, limit];
  while (left > 0) {
    const page: HeldClaims[] = await listHeldClaims(db, { ...filter, after, limit: Math.min(size, left) });
    if (page.length === 0) return;
    yield page;
    after = page.at(-1);
    left -= page.length;
  }
}

/** How many pairs of address and account have held claims. */
export async function countHeldClaims(db: Queries, { uid, address }: HeldFilter): Promise<number> {
  const [row] = await db.$queryRaw<{ pairs: number }[]>`
    SELECT count(DISTINCT (address, uid))::int AS pairs FROM address_claim
    WHERE status = 'held' AND (${uid ?? null}::text IS NULL OR uid = ${uid ?? null})
      AND (${address ?? null}::text IS NULL OR address = ${address ?? null})`;
  return row?.pairs ?? 0;
}
