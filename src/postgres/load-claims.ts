import type { ClaimEvent, DeletionEvent } from '../contacts/facts/event';
import type { Claim } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';
import { Prisma } from './generated/prisma/client';
import { type Columns, rowSource } from './statement';
import { CLAIM_COLUMNS, type ClaimRow, claimOfRow, firstClaimAfter, lastClaimUntil } from './tables/address-claim';

/** The events that may change ownership: they are decided by the claims next to them. */
export interface Incoming {
  claims: readonly ClaimEvent[];
  deletions: readonly DeletionEvent[];
}

/** The key of the claim in an event. */
export const CLAIM_KEY: Columns<ClaimEvent> = {
  address: ['text', ({ address }) => address.key],
  uid: ['text', ({ uid }) => uid],
  at: ['time', ({ at }) => at],
};

/** An incoming claim among the claims of an account. */
const INCOMING = [Prisma.sql`x.address`, Prisma.sql`claimant.uid`, Prisma.sql`x.at`] as const;

const DELETION: Columns<DeletionEvent> = { uid: ['text', ({ uid }) => uid], at: ['time', ({ at }) => at] };

/**
 * The claims on some addresses from which everything about ownership follows; how many depends on the changes of
 * ownership, not on the logins. Of a run (claims of one account without another account's claim between) they are the
 * first, where a period begins; the last, which decides the owner and the primary address; the last until the account's
 * deletion; and those next to incoming claims, which may split the run. Where a claim is held or blocked, or a merge was
 * undone, all claims are loaded. Claims of these accounts on other addresses are loaded as well, so that the caller can
 * see whether the component is complete. Each table is read in LATERAL look-ups, which the planner cannot turn into joins
 * of whole tables.
 */
export async function loadClaims(
  db: Queries,
  { addresses, uids }: ConnectedComponent,
  incoming: Incoming = { claims: [], deletions: [] },
): Promise<Claim[]> {
  const [keys, accounts] = [arrayLiteral(addresses), arrayLiteral(uids)];
  const rows = await db.$queryRaw<ClaimRow[]>`
    WITH
    beginning AS MATERIALIZED (
      SELECT known.*, lead(at) OVER run AS next_at, lead(uid) OVER run AS next_uid
      FROM unnest(${keys}::text[]) AS key,
        LATERAL (SELECT * FROM address_claim WHERE address = key AND NOT continues OFFSET 0) AS known
      WINDOW run AS (PARTITION BY address ORDER BY at, uid)
    ),
    deletion (uid, at) AS MATERIALIZED (
      SELECT uid, deleted_at FROM account WHERE uid = ANY (${accounts}::text[]) AND deleted_at IS NOT NULL
      UNION ALL SELECT uid, at FROM ${rowSource(incoming.deletions, DELETION)}
    ),
    run (address, uid, at, until) AS (
      SELECT address, uid, at,
        CASE WHEN next_at IS NULL THEN 'infinity' WHEN next_uid > uid THEN next_at ELSE next_at - interval '1 millisecond' END
      FROM beginning
    ),
    run_until (address, uid, at, until) AS (
      SELECT * FROM run
      UNION ALL SELECT run.address, run.uid, run.at, deletion.at FROM run JOIN deletion USING (uid)
      WHERE run.at < deletion.at AND deletion.at < run.until
    ),
    whole (address) AS MATERIALIZED (
      SELECT key COLLATE "C" FROM unnest(${keys}::text[]) AS key,
        LATERAL (SELECT FROM address_claim WHERE address = key AND status <> 'active' LIMIT 1) AS inactive
      UNION SELECT address FROM merge, unnest(addresses) AS address
      WHERE undone_at IS NOT NULL AND uid = ANY (${accounts}::text[]) AND address IN (SELECT unnest(${keys}::text[]))
    )
    SELECT ${CLAIM_COLUMNS} FROM beginning
    UNION ALL
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT known.* FROM unnest(${accounts}::text[]) AS key,
        LATERAL (SELECT * FROM address_claim WHERE uid = key AND NOT continues OFFSET 0) AS known
    ) AS elsewhere
    WHERE address NOT IN (SELECT unnest(${keys}::text[]))
    UNION ALL
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT last.* FROM run_until, LATERAL (${lastClaimUntil([
        Prisma.sql`run_until.address`,
        Prisma.sql`run_until.uid`,
        Prisma.sql`run_until.until`,
      ])}) AS last
      WHERE last.at > run_until.at
    ) AS last
    UNION ALL
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT near.* FROM ${rowSource(incoming.claims, CLAIM_KEY)},
        LATERAL (
          (SELECT uid FROM address_claim AS known WHERE known.address = x.address AND NOT continues AND known.at < x.at
           ORDER BY known.at DESC, known.uid DESC LIMIT 1)
          UNION SELECT uid FROM address_claim AS known
          WHERE known.address = x.address AND NOT continues AND known.at = x.at
          UNION SELECT x.uid
        ) AS claimant,
        LATERAL (${lastClaimUntil(INCOMING)} UNION ALL ${firstClaimAfter(INCOMING)}) AS near
    ) AS neighbour
    UNION ALL
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT known.* FROM whole, LATERAL (SELECT * FROM address_claim WHERE address = whole.address OFFSET 0) AS known
    ) AS claim`;
  return rows.map(claimOfRow);
}
