import type { Claim } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';
import { Prisma } from './generated/prisma/client';
import { CLAIM_COLUMNS, type ClaimRow, claimOfRow, lastClaimUntil } from './tables/address-claim';

const FIELDS = Prisma.sql`address, uid, at, status, event, event_id`;

const deletionOf = (claim: 'before' | 'next' | 'own'): Prisma.Sql =>
  Prisma.raw(`coalesce((SELECT deleted_at FROM account WHERE account.uid = ${claim}.uid), 'infinity')`);

/** The effective claim that begins the period just before a claim `own`. */
const BEFORE = Prisma.sql`
  SELECT ${FIELDS} FROM address_claim AS before
  WHERE before.address = own.address AND NOT before.continues AND (before.at, before.uid) < (own.at, own.uid)
    AND before.at <= ${deletionOf('before')}
  ORDER BY before.at DESC, before.uid DESC LIMIT 1`;

const NEXT = Prisma.sql`
  SELECT ${FIELDS} FROM address_claim AS next
  WHERE next.address = own.address AND NOT next.continues AND (next.at, next.uid) > (own.at, own.uid)
    AND next.at <= ${deletionOf('next')}
  ORDER BY next.at, next.uid LIMIT 1`;

const LAST = lastClaimUntil([Prisma.sql`own.address`, Prisma.sql`own.uid`, deletionOf('own')]);

/**
 * The accounts that the views of some contacts depend on, with the addresses that they claimed: the contacts' own, their
 * predecessors, and both sides of undone merges. Other accounts that claimed the same addresses are none of them.
 *
 * @param members addresses and accounts of the contacts
 */
export async function findRelated(db: Queries, members: ConnectedComponent): Promise<ConnectedComponent> {
  const addresses = arrayLiteral(members.addresses);
  const rows = await db.$queryRaw<{ uid: string | null; address: string | null }[]>`
    WITH RECURSIVE related (uid) AS (
      (
        SELECT uid COLLATE "C" FROM unnest(${arrayLiteral(members.uids)}::text[]) AS uid
        UNION SELECT uid
        FROM (SELECT contact_id FROM email_address WHERE address = ANY (${addresses}::text[]) OFFSET 0) AS known,
          LATERAL (SELECT uid FROM account WHERE contact_id = known.contact_id OFFSET 0) AS own
        UNION SELECT unnest(ARRAY[uid, claimant]) COLLATE "C" FROM merge
        WHERE undone_at IS NOT NULL AND addresses COLLATE "C" && ${addresses}::text[]
      )
      UNION
      SELECT next.uid FROM related, LATERAL (
        SELECT before.uid
        FROM (SELECT * FROM address_claim WHERE uid = related.uid AND NOT continues OFFSET 0) AS own,
          LATERAL (${BEFORE}) AS before,
          LATERAL (SELECT uid FROM account WHERE uid = before.uid AND deleted_at IS NOT NULL LIMIT 1) AS deleted
        UNION ALL
        SELECT unnest(ARRAY[uid, claimant]) FROM merge WHERE undone_at IS NOT NULL AND uid = related.uid
        UNION ALL
        SELECT unnest(ARRAY[uid, claimant]) FROM merge WHERE undone_at IS NOT NULL AND claimant = related.uid
        UNION ALL
        SELECT unnest(ARRAY[undone.uid, undone.claimant])
        FROM (SELECT * FROM address_claim WHERE uid = related.uid AND NOT continues OFFSET 0) AS own,
          LATERAL (
            SELECT uid, claimant FROM merge
            WHERE undone_at IS NOT NULL AND addresses COLLATE "C" && ARRAY[own.address] OFFSET 0
          ) AS undone
        UNION ALL
        -- Held and blocked claims may hide the period before.
        SELECT other.uid
        FROM (SELECT * FROM address_claim WHERE uid = related.uid AND NOT continues OFFSET 0) AS own,
          LATERAL (
            SELECT address FROM address_claim AS known WHERE known.address = own.address AND status <> 'active' LIMIT 1
          ) AS inactive,
          LATERAL (SELECT uid FROM address_claim WHERE address = inactive.address AND NOT continues OFFSET 0) AS other,
          LATERAL (SELECT uid FROM account WHERE uid = other.uid AND deleted_at IS NOT NULL LIMIT 1) AS deleted
      ) AS next
      WHERE next.uid IS NOT NULL
    )
    SELECT uid, NULL AS address FROM related WHERE uid IS NOT NULL
    UNION ALL
    SELECT DISTINCT NULL, address
    FROM related, LATERAL (SELECT address FROM address_claim WHERE uid = related.uid AND NOT continues OFFSET 0) AS own`;
  return {
    addresses: [...new Set([...members.addresses, ...rows.flatMap(({ address }) => address ?? [])])],
    uids: rows.flatMap(({ uid }) => uid ?? []),
  };
}

/**
 * The claims from which everything about the periods of related accounts follows: where each period begins, where the
 * periods before and after it begin, and the latest claim of each account on each address. All claims on an address where
 * one is held or blocked, or with an undone merge. Between them, the periods of other accounts are missing: nothing of
 * these accounts' views falls into those.
 */
export async function loadPeriods(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Claim[]> {
  const [keys, accounts] = [arrayLiteral(addresses), arrayLiteral(uids)];
  const rows = await db.$queryRaw<ClaimRow[]>`
    WITH own AS MATERIALIZED (
      SELECT * FROM address_claim WHERE uid = ANY (${accounts}::text[]) AND NOT continues
    )
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT ${FIELDS} FROM own
      UNION SELECT before.* FROM own, LATERAL (${BEFORE}) AS before
      UNION SELECT next.* FROM own, LATERAL (${NEXT}) AS next
      UNION SELECT ${FIELDS} FROM (
        SELECT last.* FROM (SELECT DISTINCT address, uid FROM own) AS own, LATERAL (${LAST}) AS last
      ) AS last
      UNION SELECT known.* FROM (
        SELECT address FROM address_claim WHERE address = ANY (${keys}::text[]) AND status <> 'active'
        UNION SELECT unnest(addresses) FROM merge WHERE undone_at IS NOT NULL AND uid = ANY (${accounts}::text[])
      ) AS whole, LATERAL (SELECT ${FIELDS} FROM address_claim WHERE address = whole.address OFFSET 0) AS known
    ) AS claim`;
  return rows.map(claimOfRow);
}
