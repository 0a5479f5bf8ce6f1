import type { Time } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { toMessage } from '../../messages/outgoing/notification-message';
import type { Queries } from '../../postgres/database';
import { ids } from '../../postgres/ids';
import { loadConsent } from '../../postgres/load-facts';
import { lockAndLoad } from '../../postgres/lock-and-load';
import { addToOutbox } from '../../postgres/tables/outbox';
import type { Page, Purged, PurgeStep } from './page';
import { purgeableComponents } from './plan';

/**
 * Drops the purgeable components whose first account is in the page. They are locked like the scope of any batch, and
 * checked under the locks: a concurrent event waits, or is seen.
 */
export const dropComponents: PurgeStep = async (tx, page, before) => {
  const candidates = await findCandidates(tx, page, before);
  if (candidates.length === 0) return {};
  const { facts, rows, component } = await lockAndLoad(tx, {
    incoming: new Facts(),
    candidates: new Map(),
    seeds: { addresses: [], uids: candidates, tokens: [] },
  });
  await loadConsent(tx, component, facts);
  const purgeable = purgeableComponents(facts, before).filter(({ uids: [first = ''] }) => candidates.includes(first));
  const addresses = purgeable.flatMap((dropped) => dropped.addresses);
  const uids = purgeable.flatMap((dropped) => dropped.uids);
  const contacts = new Set(addresses.flatMap((address) => rows.address.get(address) ?? []));
  return drop(tx, { addresses, uids, contacts: [...contacts] });
};

/**
 * The accounts of a page that are deleted, have claims, and claimed only addresses without profiles, choices, and
 * claims of live accounts: a first selection, so that few other rows are locked.
 */
async function findCandidates(db: Queries, { after, last }: Page, before: Time): Promise<string[]> {
  const rows = await db.$queryRaw<{ uid: string }[]>`
    SELECT uid FROM account
    WHERE uid > ${after} AND uid <= ${last} AND deleted_at < to_timestamp(${before}::float8 / 1000)
      AND EXISTS (SELECT FROM address_claim AS claim WHERE claim.uid = account.uid)
      AND NOT EXISTS (
        SELECT FROM address_claim AS claim JOIN email_address AS known USING (address)
        WHERE claim.uid = account.uid AND (
          num_nonnulls(first_name_at, last_name_at, country_at, lang_at, format_at) > 0
          OR EXISTS (SELECT FROM choice WHERE origin = known.address AND origin_kind = 'address')
          OR EXISTS (
            SELECT FROM address_claim AS other JOIN account AS claimant ON claimant.uid = other.uid
            WHERE other.address = known.address
              AND (claimant.deleted_at IS NULL OR claimant.deleted_at >= to_timestamp(${before}::float8 / 1000)))))`;
  return rows.map(({ uid }) => uid);
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
  await tx.$executeRaw`UPDATE contact SET state = 'closed', version = version + 1 WHERE id = ANY (${contacts}::uuid[])`;
  await tellClosed(tx, contacts);
  await tx.$executeRaw`
    UPDATE merge SET addresses = '{}' WHERE uid = ANY (${uids}::text[]) AND addresses && ${addresses}::text[]`;
  return { addresses: addresses.length, contacts: contacts.length };
}

/** Copies of these contacts elsewhere must end, too. The deletion of their accounts was told when it came. */
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
