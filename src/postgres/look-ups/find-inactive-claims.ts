/** Claims that would join two readers if they counted: they wait for a decision, or an undo has blocked them. */
import type { Person } from '../../contacts/identity/ownership';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

export interface InactiveClaim {
  status: 'held' | 'blocked';
  address: string;
  uid: string;
  /** The latest held claim, or the undo. */
  at: Date;
  /** The undone merge; null for a held claim. */
  mergeId: string | null;
  /** The contact that has the address, and the contact of the account. */
  holderId: string | null;
  claimantId: string | null;
}

/** Of each kind. */
const MOST = 20;

/** Those on a reader's addresses and those of the reader's account. */
export function findInactiveClaims(db: Queries, { addresses, uid }: Person): Promise<InactiveClaim[]> {
  const own = arrayLiteral(addresses);
  return db.$queryRaw`
    SELECT inactive.*, holder.contact_id AS "holderId", claimant.contact_id AS "claimantId"
    FROM (
      (SELECT 'held' AS status, address, uid, max(at) AS at, NULL::uuid AS "mergeId" FROM address_claim
       WHERE status = 'held' AND address = ANY (${own}::text[]) GROUP BY address, uid ORDER BY address, uid LIMIT ${MOST})
      UNION
      (SELECT 'held', address, uid, max(at), NULL::uuid FROM address_claim
       WHERE status = 'held' AND uid = ${uid} GROUP BY uid, address ORDER BY uid, address LIMIT ${MOST})
      UNION
      (SELECT 'blocked', address, uid, at, merge_id FROM claim_block
       WHERE address = ANY (${own}::text[]) ORDER BY address, uid LIMIT ${MOST})
      UNION
      (SELECT 'blocked', address, uid, at, merge_id FROM claim_block
       WHERE uid = ${uid} ORDER BY uid, address LIMIT ${MOST})
    ) AS inactive
    LEFT JOIN LATERAL (SELECT contact_id FROM email_address WHERE address = inactive.address LIMIT 1) AS holder ON true
    LEFT JOIN LATERAL (SELECT contact_id FROM account WHERE uid = inactive.uid LIMIT 1) AS claimant ON true
    ORDER BY inactive.at DESC, inactive.address, inactive.uid`;
}
