import type { Claim } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, namesOf, rowSource, selected, type Write } from '../statement';

const COLUMNS: Columns<Claim> = {
  address: ['text', ({ address }) => address],
  uid: ['text', ({ uid }) => uid],
  at: ['time', ({ at }) => at],
  status: ['claim_status', ({ status }) => status],
  event: ['text', ({ event }) => event],
  event_id: ['text', ({ eventId }) => eventId],
};

/** All claims on some addresses, and all claims of some accounts. */
export async function loadClaims(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Claim[]> {
  const rows = await db.$queryRaw<(Omit<Claim, 'eventId'> & { event_id: string })[]>`
    SELECT ${selected(COLUMNS)} FROM address_claim WHERE address = ANY (${arrayLiteral(addresses)}::text[])
    UNION
    SELECT ${selected(COLUMNS)} FROM address_claim WHERE uid = ANY (${arrayLiteral(uids)}::text[])`;
  return rows.map(({ event_id, ...claim }) => ({ ...claim, eventId: event_id }));
}

/** Adds claims that are not stored yet. */
export function insertClaims(claims: readonly Claim[]): Write {
  if (claims.length === 0) return null;
  return Prisma.sql`
    INSERT INTO address_claim (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(claims, COLUMNS)}`;
}

/** Writes the status of stored claims. */
export function updateClaimStatus(claims: readonly Claim[]): Write {
  if (claims.length === 0) return null;
  return Prisma.sql`
    UPDATE address_claim AS known SET status = x.status FROM ${rowSource(claims, COLUMNS)}
    WHERE known.address = x.address AND known.uid = x.uid AND known.at = x.at`;
}
