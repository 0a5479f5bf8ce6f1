import { Facts } from '../contacts/facts/facts';
import { toMessage } from '../messages/outgoing/notification-message';
import { loadConsent } from '../postgres/batch/load-facts';
import { lockAndLoad, namedBy } from '../postgres/batch/lock-and-load';
import type { Queries } from '../postgres/database';
import { ids } from '../postgres/ids';
import { nextAlongClaims } from '../postgres/tables/address-claim';
import { addToOutbox } from '../postgres/tables/outbox';
import { ACTS_THAT_FOLLOW } from './choices';
import { isBefore, type Limits, type Page, type Purged, type Step, within } from './page';
import { purgeableComponents } from './plan';

/**
 * Drops the purgeable components whose first account is in the page. They are locked like the scope of any batch, and
 * checked under the locks: a concurrent event either waits, or is noticed.
 */
export const dropComponents: Step = async (tx, page, limits) => {
  const { candidates, more } = withinLimit(await findCandidates(tx, page, limits), limits);
  if (candidates.length === 0) return {};
  const { facts, rows, component } = await lockAndLoad(tx, {
    ...namedBy(new Facts(), new Map()),
    seeds: { addresses: [], uids: candidates, tokens: [] },
  });
  await loadConsent(tx, component, facts);
  const purgeable = purgeableComponents(facts, limits.before).filter(({ uids: [first = ''] }) =>
    candidates.includes(first),
  );
  const addresses = purgeable.flatMap((dropped) => dropped.addresses);
  const uids = purgeable.flatMap((dropped) => dropped.uids);
  const contacts = new Set(addresses.flatMap((address) => rows.address.get(address) ?? []));
  // If nothing was dropped, an event came in between: the next pass looks again.
  return { ...(await drop(tx, { addresses, uids, contacts: [...contacts] })), more: more && addresses.length > 0 };
};

/** A larger component is left unchanged, because it could not be dropped in one short transaction. */
export const LARGEST_COMPONENT = 10_000;

/** The first account of a component, and how many addresses and accounts the component has. */
interface Candidate {
  uid: string;
  size: number;
}

/** As many candidates as may be dropped together, but at least one. */
function withinLimit(found: readonly Candidate[], { rows }: Limits): { candidates: string[]; more: boolean } {
  let total = 0;
  const fitting = found.filter(({ size }, index) => {
    total += size;
    return index === 0 || rows === null || total <= rows;
  });
  return { candidates: fitting.map(({ uid }) => uid), more: fitting.length < found.length };
}

/**
 * The deleted accounts of a page that are the first of their component, if all accounts of the component are deleted and
 * nothing else is known about its addresses. Takes no locks. The search of a component ends at the first sign that it is not
 * purgeable, or that another account comes first.
 */
function findCandidates(db: Queries, page: Page, { before }: Limits): Promise<Candidate[]> {
  return db.$queryRaw<Candidate[]>`
    SELECT candidate.uid, component.size
    FROM (
      SELECT uid FROM account
      WHERE ${within('uid', page)} AND ${isBefore('deleted_at', before)}
        AND EXISTS (SELECT FROM address_claim AS claim WHERE claim.uid = account.uid AND NOT continues)
      OFFSET 0
    ) AS candidate,
      LATERAL (
        WITH RECURSIVE reach (kind, key) AS (
          SELECT 'account', candidate.uid COLLATE "C"
          UNION
          ${nextAlongClaims('reach')}
        ),
        bounded AS (SELECT * FROM reach LIMIT ${LARGEST_COMPONENT + 1}::int)
        SELECT count(*)::int AS size FROM bounded
        WHERE NOT EXISTS (
          SELECT FROM bounded AS member
          WHERE CASE member.kind
            WHEN 'account' THEN member.key < candidate.uid
              OR NOT EXISTS (
                SELECT FROM account WHERE account.uid = member.key AND ${isBefore('account.deleted_at', before)})
              OR EXISTS (
                SELECT FROM choice
                WHERE choice.origin = member.key AND choice.origin_kind = 'account' AND act IN (${ACTS_THAT_FOLLOW}))
              OR EXISTS (SELECT FROM merge WHERE merge.uid = member.key AND undone_at IS NOT NULL)
            ELSE NOT EXISTS (
                SELECT FROM email_address AS known
                WHERE known.address = member.key AND ${isBefore('known.typed_at', before)}
                  AND num_nonnulls(first_name_at, last_name_at, country_at, lang_at, format_at) = 0)
              OR EXISTS (SELECT FROM choice WHERE choice.origin = member.key AND choice.origin_kind = 'address')
              OR EXISTS (SELECT FROM address_claim AS claim WHERE claim.address = member.key AND claim.status <> 'active')
            END)
      ) AS component
    WHERE component.size BETWEEN 1 AND ${LARGEST_COMPONENT}::int
    ORDER BY candidate.uid`;
}

/**
 * Deletes addresses with their claims, and closes the contacts that are left with nothing: their ids and tokens answer
 * like unknown ones. Their merges stay in the ledger, without the addresses.
 */
async function drop(
  tx: Queries,
  { addresses, uids, contacts }: { addresses: string[]; uids: string[]; contacts: string[] },
): Promise<Partial<Purged>> {
  if (addresses.length === 0) return {};
  await tx.$executeRaw`DELETE FROM address_claim WHERE address = ANY (${addresses}::text[])`;
  await tx.$executeRaw`DELETE FROM email_address WHERE address = ANY (${addresses}::text[])`;
  await tx.$executeRaw`UPDATE account SET contact_id = NULL WHERE uid = ANY (${uids}::text[]) AND contact_id IS NOT NULL`;
  await tx.$executeRaw`
    UPDATE basket_token SET state = 'retired' WHERE contact_id = ANY (${contacts}::uuid[]) AND state = 'live'`;
  await tx.$executeRaw`
    UPDATE contact SET state = 'closed', version = version + 1, updated_at = now() WHERE id = ANY (${contacts}::uuid[])`;
  await tellClosed(tx, contacts);
  await tx.$executeRaw`
    UPDATE merge SET addresses = '{}' WHERE uid = ANY (${uids}::text[]) AND addresses && ${addresses}::text[]`;
  return { addresses: addresses.length, contacts: contacts.length };
}

/**
 * Announces the end of these contacts, so that copies elsewhere end, too. The deletion of their accounts was announced
 * before.
 */
async function tellClosed(tx: Queries, contacts: readonly string[]): Promise<void> {
  const closed = await tx.$queryRaw<{ id: string; version: number; token: string | null }[]>`
    SELECT id, version, token FROM contact
    LEFT JOIN basket_token ON contact_id = id AND basket_token.state = 'retired' AND retired_by IS NULL
    WHERE id = ANY (${contacts}::uuid[]) ORDER BY id`;
  const now = Date.now();
  await addToOutbox(
    tx,
    closed.map(({ id: contactId, version, token }) =>
      toMessage({ kind: 'closed', contactId, version, token, uid: null, cause: null }, now, ids.merge),
    ),
  );
}
