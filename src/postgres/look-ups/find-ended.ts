/** Where keys went that open no live contact any more. For staff only: to others, such a key is unknown. */
import type { ContactState } from '../../contacts/identity/contact-index';
import type { Queries } from '../database';

/** A contact that was merged, closed or erased. */
export interface EndedContact {
  id: string;
  state: Exclude<ContactState, 'live'>;
  /** The live contact that has its addresses now; of a merged contact only. */
  mergedInto: string | null;
  createdAt: Date;
  /** When it ended; null for an erased contact, and for one that ended before this was recorded. */
  updatedAt: Date | null;
}

/** Null for a live contact and for an unknown id. */
export async function findEndedContact(db: Queries, id: string): Promise<EndedContact | null> {
  const [row] = await db.$queryRaw<EndedContact[]>`
    SELECT id, state::text, merged_into AS "mergedInto", created_at AS "createdAt", updated_at AS "updatedAt"
    FROM contact WHERE id = ${id}::uuid AND state <> 'live'`;
  return row ?? null;
}

export interface RetiredToken {
  /** The merge that retired it, and when; null if its contact was closed. */
  mergeId: string | null;
  retiredAt: Date | null;
  /** The contact that has the reader's addresses now, or the closed contact. */
  contactId: string;
  contactState: ContactState;
}

/** Null for a live token, and for an unknown one: erased tokens are deleted. */
export async function findRetiredToken(db: Queries, token: string): Promise<RetiredToken | null> {
  const [row] = await db.$queryRaw<RetiredToken[]>`
    SELECT t.retired_by AS "mergeId", m.merged_at AS "retiredAt", now.id AS "contactId", now.state::text AS "contactState"
    FROM basket_token t
    JOIN contact c ON c.id = t.contact_id
    JOIN contact now ON now.id = coalesce(c.merged_into, c.id)
    LEFT JOIN merge m ON m.id = t.retired_by
    WHERE t.token = ${token}::uuid AND t.state = 'retired'`;
  return row ?? null;
}

export interface DeletedAccount {
  uid: string;
  deletedAt: Date;
  /** The contacts that have addresses now which the account once claimed, and its own if it still owns one; some of many. */
  contactIds: string[];
}

const SHOWN_CONTACTS = 20;

/** Null for a live account and for an unknown one. */
export async function findDeletedAccount(db: Queries, uid: string): Promise<DeletedAccount | null> {
  const [row] = await db.$queryRaw<DeletedAccount[]>`
    SELECT account.uid, account.deleted_at AS "deletedAt", ARRAY (
      SELECT DISTINCT holder.contact_id::text
      FROM (
        SELECT DISTINCT address FROM address_claim WHERE uid = ${uid} AND NOT continues LIMIT ${SHOWN_CONTACTS}
      ) AS claimed, LATERAL (SELECT contact_id FROM email_address WHERE address = claimed.address LIMIT 1) AS holder
    ) AS "contactIds"
    FROM account WHERE uid = ${uid} AND deleted_at IS NOT NULL`;
  return row ?? null;
}
