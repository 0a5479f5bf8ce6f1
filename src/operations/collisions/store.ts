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

/** An account and an address that it claims. */
export type Pair = Pick<HeldClaims, 'address' | 'uid'>;

interface HeldPages {
  /** Pairs of a page, and of all pages. */
  size?: number;
  limit?: number;
  /** Begins behind this pair. */
  after?: Pair | undefined;
}

/** Held claims in pages, sorted by address and account. None comes twice, whatever is released or held meanwhile. */
export async function* heldPages(
  db: Queries,
  filter: HeldFilter,
  { size = PAGE, limit = Number.POSITIVE_INFINITY, after }: HeldPages,
): AsyncIterable<HeldClaims[]> {
  const behind = ({ address, uid }: Pair): Prisma.Sql => Prisma.sql`AND (address, uid) > (${address}, ${uid})`;
  let next = after ? behind(after) : Prisma.empty;
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
    next = behind(last);
    left -= page.length;
  }
}

/** One page of held claims. */
export async function heldPage(
  db: Queries,
  filter: HeldFilter,
  { size, after }: { size: number; after?: Pair | undefined },
): Promise<HeldClaims[]> {
  for await (const page of heldPages(db, filter, { size, limit: size, after })) return page;
  return [];
}

/** The number of pairs of address and account with held claims. */
export async function countHeldClaims(db: Queries, filter: HeldFilter): Promise<number> {
  const [row] = await db.$queryRaw<{ pairs: number }[]>`
    SELECT count(DISTINCT (address, uid))::int AS pairs FROM address_claim WHERE ${held(filter)}`;
  return row?.pairs ?? 0;
}

/** The same, but only up to a number: then it reads no more than that. */
export async function countHeldUpTo(db: Queries, filter: HeldFilter, most: number): Promise<number> {
  const [row] = await db.$queryRaw<{ pairs: number }[]>`
    SELECT count(*)::int AS pairs FROM (
      SELECT address, uid FROM address_claim WHERE ${held(filter)}
      GROUP BY address, uid ORDER BY address, uid LIMIT ${most}
    ) AS counted`;
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
  for (let after: string | null = ''; after !== null; ) {
    const step: AccountsStep = await lookThroughAccounts(db, after);
    yield* step.found;
    after = step.upTo;
  }
}

export interface AccountsStep {
  found: AccountWithoutAddress[];
  /** The last account that was looked at; null if none follows. */
  upTo: string | null;
}

/** Accounts that one statement looks at. */
const STEP = 1_000;

/**
 * The accounts without an address among the next accounts behind a uid. There may be few among many, and no index has them:
 * so each step looks at the same number of accounts. Its conditions are written so that each is a look-up by index.
 */
export async function lookThroughAccounts(db: Queries, after: string): Promise<AccountsStep> {
  const rows = await db.$queryRaw<
    (AccountWithoutAddress & { looked: number; upTo: string | null; isFound: boolean })[]
  >`
    WITH looked AS MATERIALIZED (
      SELECT uid, contact_id, deleted_at FROM account WHERE uid > ${after} ORDER BY uid LIMIT ${STEP}
    )
    SELECT step.looked, step."upTo", a.uid IS NOT NULL AS "isFound", a.uid, a.contact_id AS "contactId", last.address,
      last.at AS "claimedAt", last.contact_id AS "holderId"
    FROM (SELECT count(*)::int AS looked, max(uid) AS "upTo" FROM looked) AS step
    LEFT JOIN (
      SELECT * FROM looked WHERE deleted_at IS NULL
        AND (SELECT 1 FROM email_address own WHERE own.contact_id = looked.contact_id LIMIT 1) IS NULL
        AND (SELECT 1 FROM address_claim held WHERE held.uid = looked.uid AND held.status = 'held' LIMIT 1) IS NULL
    ) AS a ON true
    LEFT JOIN LATERAL (
      SELECT latest.address, (extract(epoch FROM latest.at) * 1000)::float8 AS at, holder.contact_id
      FROM (SELECT DISTINCT address FROM address_claim WHERE uid = a.uid AND NOT continues OFFSET 0) AS claimed,
        LATERAL (${LATEST}) AS latest,
        LATERAL (SELECT contact_id FROM email_address WHERE address = claimed.address LIMIT 1) AS holder
      ORDER BY latest.at DESC, latest.address DESC LIMIT 1
    ) AS last ON true
    ORDER BY a.uid`;
  const { looked, upTo } = rows[0] as { looked: number; upTo: string | null };
  return {
    found: rows.filter(({ isFound }) => isFound),
    upTo: looked < STEP ? null : upTo,
  };
}

/** Steps of one page: the page may have fewer accounts than it could, but never takes long. */
const STEPS = 40;

/** A page of accounts without an address behind a uid. */
export async function accountsPage(db: Queries, after: string, size: number): Promise<AccountsStep> {
  const found: AccountWithoutAddress[] = [];
  let upTo: string | null = after;
  for (let steps = 0; upTo !== null && steps < STEPS && found.length < size; steps++) {
    const step: AccountsStep = await lookThroughAccounts(db, upTo);
    found.push(...step.found);
    upTo = step.upTo;
  }
  const last = found[size - 1];
  return last && (found.length > size || upTo !== null)
    ? { found: found.slice(0, size), upTo: last.uid }
    : { found, upTo };
}
