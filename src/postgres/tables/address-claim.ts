import type { Claim } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, namesOf, rowSource, selected, type Write } from '../statement';

const KEY: Columns<Claim> = {
  address: ['text', ({ address }) => address],
  uid: ['text', ({ uid }) => uid],
  at: ['time', ({ at }) => at],
};

const COLUMNS: Columns<Claim> = {
  ...KEY,
  status: ['claim_status', ({ status }) => status],
  event: ['text', ({ event }) => event],
  event_id: ['text', ({ eventId }) => eventId],
};

export const CLAIM_COLUMNS = selected(COLUMNS);

/** A row as {@link CLAIM_COLUMNS} selects it. */
export type ClaimRow = Omit<Claim, 'eventId'> & { event_id: string };

export const claimOfRow = ({ event_id, ...claim }: ClaimRow): Claim => ({ ...claim, eventId: event_id });

/** All claims on some addresses, and all claims of some accounts: for commands, which may write any of them. */
export async function loadAllClaims(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Claim[]> {
  const rows = await db.$queryRaw<ClaimRow[]>`
    SELECT ${CLAIM_COLUMNS} FROM address_claim WHERE address = ANY (${arrayLiteral(addresses)}::text[])
    UNION
    SELECT ${CLAIM_COLUMNS} FROM address_claim WHERE uid = ANY (${arrayLiteral(uids)}::text[])`;
  return rows.map(claimOfRow);
}

/**
 * Adds claims; a claim that is already stored stays unchanged.
 *
 * @param continuing claims that follow another claim of their account on their address
 */
export function insertClaims(claims: readonly Claim[], continuing: readonly Claim[] = []): Write {
  const rows = [...claims, ...continuing];
  if (rows.length === 0) return null;
  const isContinuing = new Set(continuing);
  const columns: Columns<Claim> = { ...COLUMNS, continues: ['boolean', (claim) => isContinuing.has(claim)] };
  return Prisma.sql`
    INSERT INTO address_claim (${namesOf(columns)}) SELECT ${namesOf(columns)} FROM ${rowSource(rows, columns)}
    ON CONFLICT (address, uid, at) DO NOTHING`;
}

type Place = readonly [address: Prisma.Sql, uid: Prisma.Sql, at: Prisma.Sql];

/**
 * The latest claim of an account on an address until a time. Written so that only the primary key can find it, in one step:
 * by another index the planner may read all claims of the account.
 */
export const lastClaimUntil = ([address, uid, at]: Place): Prisma.Sql => Prisma.sql`
  SELECT * FROM (
    SELECT *, ctid FROM address_claim AS known WHERE (known.address, known.uid, known.at) <= (${address}, ${uid}, ${at})
    ORDER BY known.address DESC, known.uid DESC, known.at DESC LIMIT 1
  ) AS found WHERE found.address = ${address} AND found.uid = ${uid}`;

/** The earliest claim of an account on an address after a time. */
export const firstClaimAfter = ([address, uid, at]: Place): Prisma.Sql => Prisma.sql`
  SELECT * FROM (
    SELECT *, ctid FROM address_claim AS known WHERE (known.address, known.uid, known.at) > (${address}, ${uid}, ${at})
    ORDER BY known.address, known.uid, known.at LIMIT 1
  ) AS found WHERE found.address = ${address} AND found.uid = ${uid}`;

/** When the account of a claim with this alias was deleted. */
export const deletionOf = (claim: 'before' | 'next' | 'own' | 'known'): Prisma.Sql =>
  Prisma.raw(`coalesce((SELECT deleted_at FROM account WHERE account.uid = ${claim}.uid), 'infinity')`);

const FIELDS = Prisma.sql`address, uid, at, status, event, event_id`;

/**
 * The nearest claim, before or after a claim `own`, that begins a run. Written so that only one index can find it, in
 * one step.
 */
const beginning = (where: 'before' | 'after', condition?: Prisma.Sql): Prisma.Sql => {
  const [than, order] = where === 'before' ? ['<', 'DESC'] : ['>', 'ASC'];
  // With a condition on the address alone, the planner may sort all claims on it. So the scan ends at the next address.
  const wanted = condition && Prisma.sql`AND (known.address <> own.address OR ${condition})`;
  return Prisma.sql`
    SELECT ${FIELDS} FROM (
      SELECT * FROM address_claim AS known
      WHERE (known.address, known.at, known.uid) ${Prisma.raw(than)} (own.address, own.at, own.uid)
        AND NOT known.continues ${wanted ?? Prisma.empty}
      ORDER BY known.address ${Prisma.raw(order)}, known.at ${Prisma.raw(order)}, known.uid ${Prisma.raw(order)} LIMIT 1
    ) AS found WHERE found.address = own.address`;
};

const IS_EFFECTIVE = Prisma.sql`known.status = 'active' AND known.at <= ${deletionOf('known')}`;

/** The effective claim that begins the ownership period before a claim `own`, or the one that `own` is in. */
export const PERIOD_BEFORE = beginning('before', IS_EFFECTIVE);
/** The effective claim that begins the ownership period after a claim `own`. */
export const PERIOD_AFTER = beginning('after', IS_EFFECTIVE);
/** The first claim of the run (claims of one account without another account's between) before a claim `own`, or around it. */
export const RUN_BEFORE = beginning('before');
/** The first claim of the run after a claim `own`. */
export const RUN_AFTER = beginning('after');

/** The first claim of each run of an account. */
export const BEGINNINGS_OF = (uid: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`SELECT ${FIELDS} FROM address_claim WHERE uid = ${uid} AND NOT continues OFFSET 0`;

/**
 * Marks the stored claims directly after newly inserted claims of other accounts: they no longer continue a period.
 */
export function endContinuation(inserted: readonly Claim[]): Write {
  if (inserted.length === 0) return null;
  return Prisma.sql`
    UPDATE address_claim SET continues = false WHERE ctid = ANY (ARRAY (
      SELECT next.ctid
      FROM ${rowSource(inserted, KEY)},
        LATERAL (
          SELECT uid FROM address_claim AS beginning
          WHERE beginning.address = x.address AND NOT beginning.continues AND (beginning.at, beginning.uid) < (x.at, x.uid)
          ORDER BY beginning.at DESC, beginning.uid DESC LIMIT 1
        ) AS before,
        LATERAL (${firstClaimAfter([
          Prisma.sql`x.address`,
          Prisma.sql`before.uid`,
          Prisma.sql`(CASE WHEN before.uid > x.uid THEN x.at - interval '1 millisecond' ELSE x.at END)`,
        ])}) AS next
      WHERE before.uid <> x.uid AND next.continues))`;
}

/** Writes the status of stored claims. */
export function updateClaimStatus(claims: readonly Claim[]): Write {
  if (claims.length === 0) return null;
  return Prisma.sql`
    UPDATE address_claim AS known SET status = x.status FROM ${rowSource(claims, COLUMNS)}
    WHERE known.address = x.address AND known.uid = x.uid AND known.at = x.at`;
}

/** What claims connect directly to the rows (kind, key) of a recursive query. */
export const nextAlongClaims = (members: 'component' | 'reach'): Prisma.Sql => {
  const member = Prisma.raw(members);
  return Prisma.sql`
      SELECT next.kind, next.key
      FROM ${member}, LATERAL (
        SELECT 'account' AS kind, uid AS key FROM address_claim
        WHERE ${member}.kind = 'address' AND address = ${member}.key AND NOT continues
        UNION ALL
        SELECT 'address', address FROM address_claim
        WHERE ${member}.kind = 'account' AND uid = ${member}.key AND NOT continues
      ) AS next`;
};
