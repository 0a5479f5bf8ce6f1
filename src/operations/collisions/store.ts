import type { Queries } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';
import { lastClaimUntil } from '../../postgres/tables/address-claim';

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

/** The text differs only between kinds of filters, so that each kind has a plan of its own. */
function held({ uid = null, address = null }: HeldFilter): Prisma.Sql {
  const ofAccount = uid === null ? Prisma.empty : Prisma.sql`AND uid = ${uid}`;
  const atAddress = address === null ? Prisma.empty : Prisma.sql`AND address = ${address}`;
  return Prisma.sql`status = 'held' ${ofAccount} ${atAddress}`;
}

/**
 * Held claims in pages, sorted by address and account. No pair is returned twice, whatever is released or held
 * meanwhile.
 */
export async function* heldPages(
  db: Queries,
  filter: HeldFilter,
  { size = PAGE, limit = Number.POSITIVE_INFINITY }: { size?: number; limit?: number },
): AsyncIterable<HeldClaims[]> {
  let next = Prisma.empty;
  for (let left = limit; left > 0; ) {
    const page = await db.$queryRaw<HeldClaims[]>`
      SELECT held.*, holder.contact_id AS "contactId", account.uid AS "contactUid"
      FROM (
        SELECT address, uid, count(*)::int AS claims, (extract(epoch FROM min(at)) * 1000)::float8 AS since,
          (extract(epoch FROM max(at)) * 1000)::float8 AS until, (array_agg(event ORDER BY at DESC))[1] AS event
        FROM address_claim WHERE ${held(filter)} ${next}
        GROUP BY address, uid ORDER BY address, uid LIMIT ${Math.min(size, left)}
      ) AS held
      LEFT JOIN LATERAL (SELECT contact_id FROM email_address WHERE address = held.address LIMIT 1) AS holder ON true
      LEFT JOIN LATERAL (SELECT uid FROM account WHERE contact_id = holder.contact_id LIMIT 1) AS account ON true
      ORDER BY held.address, held.uid`;
    const last = page.at(-1);
    if (!last) return;
    yield page;
    next = Prisma.sql`AND (address, uid) > (${last.address}, ${last.uid})`;
    left -= page.length;
  }
}

/** The number of pairs of address and account with held claims. */
export async function countHeldClaims(db: Queries, filter: HeldFilter): Promise<number> {
  const [row] = await db.$queryRaw<{ pairs: number }[]>`
    SELECT count(DISTINCT (address, uid))::int AS pairs FROM address_claim WHERE ${held(filter)}`;
  return row?.pairs ?? 0;
}

/** A live account that owns no address and has no held claim: it needs a review. */
export interface AccountWithoutAddress {
  uid: string;
  contactId: string;
  /**
   * The address that it claimed last (except erased ones), the time (milliseconds since 1970), and the contact that has
   * the address now.
   */
  address: string | null;
  claimedAt: number | null;
  holderId: string | null;
}

const LATEST = lastClaimUntil([Prisma.sql`claimed.address`, Prisma.sql`a.uid`, Prisma.sql`'infinity'::timestamptz`]);

/** Sorted by uid. */
export async function* accountsWithoutAddress(db: Queries): AsyncIterable<AccountWithoutAddress> {
  for (let after = ''; ; ) {
    const page: AccountWithoutAddress[] = await db.$queryRaw`
      SELECT a.uid, a.contact_id AS "contactId", last.address, last.at AS "claimedAt", last.contact_id AS "holderId"
      FROM account a
      LEFT JOIN LATERAL (
        SELECT latest.address, (extract(epoch FROM latest.at) * 1000)::float8 AS at, holder.contact_id
        FROM (SELECT DISTINCT address FROM address_claim WHERE uid = a.uid AND NOT continues OFFSET 0) AS claimed,
          LATERAL (${LATEST}) AS latest,
          LATERAL (SELECT contact_id FROM email_address WHERE address = claimed.address LIMIT 1) AS holder
        ORDER BY latest.at DESC, latest.address DESC LIMIT 1
      ) AS last ON true
      WHERE a.deleted_at IS NULL AND a.uid > ${after}
        AND NOT EXISTS (SELECT FROM email_address own WHERE own.contact_id = a.contact_id)
        AND NOT EXISTS (SELECT FROM address_claim held WHERE held.uid = a.uid AND held.status = 'held')
      ORDER BY a.uid LIMIT ${PAGE}`;
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.uid;
  }
}
