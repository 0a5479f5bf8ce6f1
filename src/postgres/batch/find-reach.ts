import type { ClaimEvent, DeletionEvent, Time } from '../../contacts/facts/event';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, rowSource } from '../statement';
import {
  BEGINNINGS_OF,
  deletionOf,
  lastClaimUntil,
  PERIOD_AFTER,
  PERIOD_BEFORE,
  RUN_BEFORE,
} from '../tables/address-claim';
import { contactsOf, findComponent, type Seeds } from './find-component';

/** Events that may change ownership. */
export interface OwnershipEvents {
  claims: readonly ClaimEvent[];
  deletions: readonly DeletionEvent[];
}

/** An address and a time at which facts are added there. */
export interface Moment {
  address: string;
  at: Time;
}

/** All addresses and accounts that some events or facts can affect. */
export interface Reach extends ConnectedComponent {
  /** The indexes of the claims that continue their account's ownership period: they are reached only by other events. */
  continuing: number[];
  /**
   * Whether the reach is the whole connected component. It is if an undone merge is reached, whose rules need all
   * claims.
   */
  isWhole: boolean;
}

/** The key of the claim in an event. */
export const CLAIM_KEY: Columns<ClaimEvent> = {
  address: ['text', ({ address }) => address.key],
  uid: ['text', ({ uid }) => uid],
  at: ['time', ({ at }) => at],
};

/** The empty uid sorts before all others: a fact at exactly the time of a claim belongs to the period before it. */
const MOMENT: Columns<Moment> = {
  address: ['text', ({ address }) => address],
  uid: ['text', () => ''],
  at: ['time', ({ at }) => at],
};

/**
 * What some events and facts reach (docs/model.md, **Reach**). The size depends on the contacts that change and on
 * their predecessors, not on who else once claimed their addresses. Takes no locks: lock the result, then look again.
 *
 * @param seeds addresses, accounts and contacts that may change in any case
 */
export async function findReach(
  db: Queries,
  seeds: Seeds,
  { claims, deletions }: OwnershipEvents,
  {
    moments = [],
    permission = Prisma.sql`NULL`,
  }: { moments?: readonly Moment[]; permission?: Prisma.Sql | undefined } = {},
): Promise<Reach> {
  const [addresses, uids] = [arrayLiteral(seeds.addresses), arrayLiteral(seeds.uids)];
  const deleted = Prisma.sql`reached.uid = ANY (${arrayLiteral(deletions.map(({ uid }) => uid))}::text[])`;
  const rows = await db.$queryRaw<{ kind: 'address' | 'account' | 'continuing' | 'undone'; key: string }[]>`
    WITH RECURSIVE
    permission AS MATERIALIZED (SELECT ${permission}),
    claimed AS MATERIALIZED (SELECT * FROM ${rowSource(claims, CLAIM_KEY)}),
    continuing AS MATERIALIZED (${CONTINUING}),
    incoming AS MATERIALIZED (
      SELECT address, uid, at FROM claimed WHERE ordinal NOT IN (SELECT ordinal FROM continuing)
      UNION ALL SELECT x.address, x.uid, x.at FROM ${rowSource(moments, MOMENT)}
    ),
    named (address) AS MATERIALIZED (
      SELECT address COLLATE "C" FROM incoming UNION SELECT unnest(${addresses}::text[]) COLLATE "C"
    ),
    target (id) AS MATERIALIZED (
      ${contactsOf(seeds)}
      UNION SELECT contact_id
      FROM named, LATERAL (SELECT contact_id FROM email_address WHERE address = named.address LIMIT 1) AS known
    ),
    reached (uid) AS (
      (
        SELECT uid COLLATE "C" FROM unnest(${uids}::text[]) AS uid
        UNION SELECT uid COLLATE "C" FROM incoming WHERE uid <> ''
        UNION SELECT uid FROM target, LATERAL (SELECT uid FROM account WHERE contact_id = target.id LIMIT 1) AS own
        UNION SELECT near.uid
        FROM incoming AS own, LATERAL ((${PERIOD_BEFORE}) UNION ALL (${PERIOD_AFTER}) UNION ALL (${RUN_BEFORE})) AS near
      )
      UNION
      SELECT near.uid
      FROM reached, LATERAL (
        SELECT neighbour.uid
        FROM (${BEGINNINGS_OF(Prisma.sql`reached.uid`)}) AS own,
          LATERAL (
            SELECT before.uid FROM (${PERIOD_BEFORE}) AS before WHERE ${deleted} OR ${deletionOf('before')} <= own.at
            UNION ALL
            SELECT next.uid FROM (${PERIOD_AFTER}) AS next WHERE ${deleted} OR ${deletionOf('own')} <= next.at
            UNION ALL
            SELECT now.uid
            FROM (SELECT own.address, 'infinity'::timestamptz AS at, '' AS uid WHERE ${deleted}) AS own,
              LATERAL (${PERIOD_BEFORE}) AS now
          ) AS neighbour
      ) AS near
    ),
    place (address) AS MATERIALIZED (
      SELECT address FROM named
      UNION SELECT own.address FROM reached, LATERAL (${BEGINNINGS_OF(Prisma.sql`reached.uid`)}) AS own
      UNION SELECT address
      FROM target, LATERAL (SELECT address FROM email_address WHERE contact_id = target.id OFFSET 0) AS own
    )
    SELECT 'account' AS kind, uid AS key FROM reached, permission
    UNION ALL SELECT 'address', address FROM place
    UNION ALL (
      SELECT 'continuing', string_agg(ordinal::text, ',') FROM continuing HAVING count(*) > 0
    )
    UNION ALL (
      SELECT 'undone', NULL FROM merge
      WHERE undone_at IS NOT NULL AND uid = ANY (ARRAY (SELECT uid FROM reached)) HAVING count(*) > 0
    )
    UNION ALL (
      SELECT 'undone', NULL FROM merge
      WHERE undone_at IS NOT NULL AND claimant = ANY (ARRAY (SELECT uid FROM reached)) HAVING count(*) > 0
    )
    UNION ALL (
      SELECT 'undone', NULL FROM merge
      WHERE undone_at IS NOT NULL AND addresses COLLATE "C" && ARRAY (SELECT address FROM place) HAVING count(*) > 0
    )`;
  const keys = (wanted: string): string[] => rows.flatMap(({ kind, key }) => (kind === wanted ? [key] : []));
  const ordinals = keys('continuing').flatMap((list) => list.split(','));
  const continuing = ordinals.map((ordinal) => Number(ordinal) - 1);
  if (rows.every(({ kind }) => kind !== 'undone')) {
    return { addresses: keys('address'), uids: keys('account'), continuing, isWhole: false };
  }
  const from = { ...seeds, addresses: keys('address'), uids: keys('account') };
  return { ...(await findComponent(db, from)), continuing, isWhole: true };
}

/** The latest claims of the account of an incoming one. */
const EVER = [Prisma.sql`x.uid`, Prisma.sql`'infinity'::timestamptz`] as const;

/**
 * The incoming claims that change only the time of their account's latest claim: the account is live and has the address, the
 * claim before it at the address is the account's own, and the account claimed no other address later. Held and blocked
 * claims, and blocks of an undo, are rare and have rules of their own: with any of these, no claim is continuing. Each
 * part is a look-up in an index (LATERAL with LIMIT), because the planner would rather join whole tables.
 */
const CONTINUING = Prisma.sql`
  SELECT x.ordinal
  FROM claimed AS x,
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
