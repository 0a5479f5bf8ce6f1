import type { ClaimEvent } from '../contacts/facts/event';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';
import { STALE_READ } from './errors';
import { Prisma } from './generated/prisma/client';
import { CLAIM_KEY } from './load-claims';
import { rowSource } from './statement';
import { lastClaimUntil, nextAlongClaims } from './tables/address-claim';

/** Where the search for a connected component begins: addresses, accounts, and contacts by token or id. */
export interface Seeds extends ConnectedComponent {
  tokens: string[];
  /** Of contacts, live or not. */
  ids?: string[];
}

/** Another transaction changed what was looked up before it was locked. Nothing was written: try again. */
export class StaleReadError extends Error {
  readonly code = STALE_READ;
}

/** What events connect. */
export interface Look {
  component: ConnectedComponent;
  /** The indexes of the claims that continue their account's ownership period; they are none of the seeds. */
  continuing: number[];
}

/**
 * An arbitrary lock number: shared by all transactions of a database that look before they lock. It comes before every other
 * lock that such a transaction takes and that one which looks alone may wait for, or the two could wait for each other.
 */
const LOOK_LOCK = 7_261_011;

/** Until the end of the transaction, no other one looks: after this, a look is lost only to a sign-up at a new address. */
export async function lookAlone(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${LOOK_LOCK}::bigint)`;
}

/** Until the end of the transaction, no other one looks alone. For a transaction that locks something before its look. */
export async function lookTogether(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT ${TOGETHER}`;
}

const TOGETHER = Prisma.sql`pg_advisory_xact_lock_shared(${LOOK_LOCK}::bigint)`;

/**
 * All addresses and accounts that claims connect to the seeds, and to incoming claims except those that continue. Takes
 * no row locks: lock the result, then check that it is still complete.
 */
export const lookBeforeLock = (tx: Queries, seeds: Seeds, claims: readonly ClaimEvent[]): Promise<Look> =>
  look(tx, seeds, claims, TOGETHER);

/**
 * The same for a transaction that holds row locks already: it does not wait for one that looks alone, which may wait for
 * these locks. Exact about claims whose addresses and accounts are locked.
 */
export const lookUnderLocks = (
  tx: Queries,
  seeds: ConnectedComponent,
  claims: readonly ClaimEvent[] = [],
): Promise<Look> => look(tx, { ...seeds, tokens: [] }, claims, Prisma.sql`NULL`);

async function look(tx: Queries, seeds: Seeds, claims: readonly ClaimEvent[], permission: Prisma.Sql): Promise<Look> {
  const rows = await tx.$queryRaw<{ kind: 'address' | 'account' | 'continuing'; key: string }[]>`
    WITH RECURSIVE
    permission AS MATERIALIZED (SELECT ${permission}),
    incoming AS MATERIALIZED (SELECT * FROM ${rowSource(claims, CLAIM_KEY)}),
    continuing AS MATERIALIZED (${CONTINUING}),
    beginning AS (
      SELECT address, uid FROM incoming WHERE ordinal NOT IN (SELECT ordinal FROM continuing)
    ),
    target AS (
      SELECT coalesce(merged_into, id) AS id FROM contact WHERE id = ANY (${arrayLiteral(seeds.ids ?? [])}::uuid[])
      UNION SELECT coalesce(merged_into, id) FROM contact WHERE id = ANY (ARRAY (
        SELECT contact_id FROM basket_token WHERE token = ANY (${arrayLiteral(seeds.tokens)}::uuid[])))
    ),
    component (kind, key) AS (
      (
        SELECT 'address', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.addresses)}::text[]) AS key
        UNION SELECT 'account', key COLLATE "C" FROM unnest(${arrayLiteral(seeds.uids)}::text[]) AS key
        UNION SELECT 'address', address COLLATE "C" FROM beginning
        UNION SELECT 'account', uid COLLATE "C" FROM beginning
        UNION SELECT 'address', address
        FROM target, LATERAL (SELECT address FROM email_address WHERE contact_id = target.id OFFSET 0) AS own
        UNION SELECT 'account', uid
        FROM target, LATERAL (SELECT uid FROM account WHERE contact_id = target.id OFFSET 0) AS own
      )
      UNION
      ${nextAlongClaims('component')}
    )
    SELECT kind, key FROM component, permission
    UNION ALL (
      SELECT 'continuing', string_agg(ordinal::text, ',') FROM continuing HAVING count(*) > 0
    )`;
  const keys = (kind: string): string[] => rows.filter((row) => row.kind === kind).map((row) => row.key);
  const ordinals = keys('continuing').flatMap((list) => list.split(','));
  return {
    component: { addresses: keys('address'), uids: keys('account') },
    continuing: ordinals.map((ordinal) => Number(ordinal) - 1),
  };
}

/** The latest claims of the account of an incoming one. */
const EVER = [Prisma.sql`x.uid`, Prisma.sql`'infinity'::timestamptz`] as const;

/**
 * The incoming claims that change nothing but the time of their account's latest claim: a live account has the address, the
 * claim before it there is of the same account, and no other address of the account was claimed later. Held and blocked
 * claims, and what an undo left, are rare and have rules of their own: there, no claim is continuing. Each part is a look-up
 * in an index (LATERAL with LIMIT), because the planner would rather join whole tables.
 */
const CONTINUING = Prisma.sql`
  SELECT x.ordinal
  FROM incoming AS x,
    LATERAL (SELECT contact_id FROM account WHERE account.uid = x.uid AND account.deleted_at IS NULL LIMIT 1) AS live,
    LATERAL (
      SELECT contact_id FROM email_address AS known
      WHERE known.address = x.address AND known.contact_id = live.contact_id LIMIT 1
    ) AS own
  WHERE x.uid = (
      SELECT uid FROM address_claim AS known
      WHERE known.address = x.address AND NOT known.continues AND known.at <= x.at
      ORDER BY known.at DESC, known.uid DESC LIMIT 1)
    AND (
      SELECT true FROM address_claim AS known WHERE known.address = x.address AND known.status <> 'active' LIMIT 1
    ) IS NULL
    AND (
      SELECT true FROM email_address AS other
      WHERE other.contact_id = own.contact_id AND other.address <> x.address AND (
        SELECT at FROM (${lastClaimUntil([Prisma.sql`other.address`, ...EVER])}) AS elsewhere
      ) >= (
        SELECT at FROM (${lastClaimUntil([Prisma.sql`x.address`, ...EVER])}) AS here
      ) LIMIT 1
    ) IS NULL`;
