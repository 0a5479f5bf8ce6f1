import type { DeletionEvent } from '../../contacts/facts/event';
import type { Claim } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, rowSource } from '../statement';
import {
  BEGINNINGS_OF,
  CLAIM_COLUMNS,
  type ClaimRow,
  claimOfRow,
  firstClaimAfter,
  lastClaimUntil,
  PERIOD_AFTER,
  PERIOD_BEFORE,
  RUN_AFTER,
  RUN_BEFORE,
} from '../tables/address-claim';
import { CLAIM_KEY, type OwnershipEvents } from './find-reach';

const FIELDS = Prisma.sql`address, uid, at, status, event, event_id`;

const DELETION: Columns<DeletionEvent> = { uid: ['text', ({ uid }) => uid], at: ['time', ({ at }) => at] };

/** The claims of an account next to an incoming claim. */
const INCOMING = [Prisma.sql`own.address`, Prisma.sql`claimant.uid`, Prisma.sql`own.at`] as const;

/**
 * The claims from which everything about the periods of some accounts follows; their number depends on the changes of
 * ownership that these accounts took part in, not on their logins, nor on others' claims. They are, for each run of an
 * account (claims without another account's claim between): the first, where a period begins; the last, and the last
 * until the account's deletion, which decide the primary address; and the beginnings of the periods before and after. In
 * addition: for each address the beginning of the current period; next to incoming claims, the claims of these accounts with
 * which a run would continue if an incoming claim splits it; for addresses with an undone merge, all claims.
 *
 * Only the effective claims of other accounts are loaded, because the deletions of those accounts may not be loaded. Some of
 * their periods may be missing: no view of the accounts in question depends on them. Each table is read in LATERAL
 * look-ups, which the planner cannot turn into joins of whole tables.
 */
export async function loadPeriods(
  db: Queries,
  { addresses, uids }: ConnectedComponent,
  incoming: OwnershipEvents = { claims: [], deletions: [] },
): Promise<Claim[]> {
  const accounts = arrayLiteral(uids);
  const rows = await db.$queryRaw<ClaimRow[]>`
    WITH
    own AS MATERIALIZED (
      SELECT known.* FROM unnest(${accounts}::text[]) AS key, LATERAL (${BEGINNINGS_OF(Prisma.sql`key`)}) AS known
    ),
    deletion (uid, at) AS MATERIALIZED (
      SELECT uid, deleted_at FROM account WHERE uid = ANY (${accounts}::text[]) AND deleted_at IS NOT NULL
      UNION ALL SELECT uid, at FROM ${rowSource(incoming.deletions, DELETION)}
    ),
    run (address, uid, at, until) AS MATERIALIZED (
      SELECT own.address, own.uid, own.at, CASE
        WHEN next.at IS NULL THEN 'infinity' WHEN next.uid > own.uid THEN next.at
        ELSE next.at - interval '1 millisecond' END
      FROM own LEFT JOIN LATERAL (${RUN_AFTER}) AS next ON true
    ),
    run_until (address, uid, at, until) AS (
      SELECT * FROM run
      UNION ALL SELECT run.address, run.uid, run.at, deletion.at FROM run JOIN deletion USING (uid)
      WHERE run.at < deletion.at AND deletion.at < run.until
    )
    SELECT ${CLAIM_COLUMNS} FROM (
      SELECT ${FIELDS} FROM own
      UNION SELECT before.* FROM own, LATERAL (${PERIOD_BEFORE}) AS before
      UNION SELECT next.* FROM own, LATERAL (${PERIOD_AFTER}) AS next
      UNION SELECT before.*
      FROM (SELECT key AS address, 'infinity'::timestamptz AS at, '' AS uid FROM unnest(${arrayLiteral(addresses)}::text[]) AS key) AS own,
        LATERAL (${PERIOD_BEFORE}) AS before
      UNION SELECT ${FIELDS} FROM (
        SELECT last.* FROM run_until, LATERAL (${lastClaimUntil([
          Prisma.sql`run_until.address`,
          Prisma.sql`run_until.uid`,
          Prisma.sql`run_until.until`,
        ])}) AS last
        WHERE last.at > run_until.at
      ) AS last
      UNION SELECT ${FIELDS} FROM (
        SELECT near.* FROM (SELECT x.* FROM ${rowSource(incoming.claims, CLAIM_KEY)}) AS own,
          LATERAL (
            SELECT uid FROM (${RUN_BEFORE}) AS before WHERE uid = ANY (${accounts}::text[]) UNION SELECT own.uid
          ) AS claimant,
          LATERAL (${lastClaimUntil(INCOMING)} UNION ALL ${firstClaimAfter(INCOMING)}) AS near
      ) AS neighbour
      UNION SELECT known.* FROM (
        SELECT unnest(addresses) AS address FROM merge WHERE undone_at IS NOT NULL AND uid = ANY (${accounts}::text[])
      ) AS whole, LATERAL (SELECT ${FIELDS} FROM address_claim WHERE address = whole.address OFFSET 0) AS known
    ) AS claim`;
  return rows.map(claimOfRow);
}
