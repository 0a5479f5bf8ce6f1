import type { Claim } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

/** All claims on some addresses, and all claims of some accounts. */
export async function loadClaims(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Claim[]> {
  const rows = await db.$queryRaw<(Omit<Claim, 'eventId'> & { event_id: string })[]>`
    SELECT address, uid, (extract(epoch FROM at) * 1000)::float8 AS at, status::text, event, event_id
    FROM address_claim WHERE address = ANY (${arrayLiteral(addresses)}::text[])
    UNION
    SELECT address, uid, (extract(epoch FROM at) * 1000)::float8, status::text, event, event_id
    FROM address_claim WHERE uid = ANY (${arrayLiteral(uids)}::text[])`;
  return rows.map(({ event_id, ...claim }) => ({ ...claim, eventId: event_id }));
}
