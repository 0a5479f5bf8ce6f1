import type { Claim } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';

/** Adds claims that were not known. */
export function insertClaims(claims: readonly Claim[]): Write {
  if (claims.length === 0) return null;
  return Prisma.sql`
    INSERT INTO address_claim (address, uid, at, status, event, event_id)
    SELECT address, uid, to_timestamp(at / 1000), status::claim_status, event, event_id
    FROM unnest(
      ${arrayLiteral(claims.map(({ address }) => address))}::text[], ${arrayLiteral(claims.map(({ uid }) => uid))}::text[],
      ${arrayLiteral(claims.map(({ at }) => at))}::float8[], ${arrayLiteral(claims.map(({ status }) => status))}::text[],
      ${arrayLiteral(claims.map(({ event }) => event))}::text[], ${arrayLiteral(claims.map(({ eventId }) => eventId))}::text[]
    ) AS x (address, uid, at, status, event, event_id)`;
}

/** Writes whether claims that are known count. */
export function updateStandings(claims: readonly Claim[]): Write {
  if (claims.length === 0) return null;
  return Prisma.sql`
    UPDATE address_claim AS known SET status = x.status::claim_status
    FROM unnest(
      ${arrayLiteral(claims.map(({ address }) => address))}::text[], ${arrayLiteral(claims.map(({ uid }) => uid))}::text[],
      ${arrayLiteral(claims.map(({ at }) => at))}::float8[], ${arrayLiteral(claims.map(({ status }) => status))}::text[]
    ) AS x (address, uid, at, status)
    WHERE known.address = x.address AND known.uid = x.uid AND known.at = to_timestamp(x.at / 1000)`;
}
