import { randomUUID } from 'node:crypto';
import type { Address, Time } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { addressesOwnedBy, ownerOf } from '../../contacts/identity/ownership';
import { type Database, inTransaction, type Queries, type Transaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { findConnectedComponent, StaleReadError } from '../../postgres/find-component';
import { ids } from '../../postgres/ids';
import { saveErasureHashes } from '../../postgres/tables/erasure-hashes';
import { requireErasureKey, requireKeyOfServices } from '../../postgres/tables/erasure-key';
import { loadChoices } from '../../postgres/tables/load-choices';
import { loadClaims } from '../../postgres/tables/load-claims';
import { lockAccounts } from '../../postgres/tables/lock-accounts';
import { lockAddresses } from '../../postgres/tables/lock-addresses';
import { loadUndone } from '../../postgres/tables/merge';
import { holdRelay } from '../../postgres/tables/outbox';
import { type ContactGroup, eraseContacts, lockContactGroup } from './contacts';
import { type ErasedFacts, saveErasure } from './facts';
import { eraseMerges } from './merges';
import { eraseOutbox } from './outbox';
import { planErasure } from './plan';

export interface Erased {
  /** Whether the address was of a contact. One that was not is remembered as erased all the same. */
  known: boolean;
  /** Events up to this time that name the person are dropped from now on. */
  at: Time;
  deleted: ErasedFacts & { contacts: number; tokens: number; merges: number; messages: number };
}

export interface EraseOptions {
  erasureKey: string;
  /** Does it, counts, and takes it back. */
  dryRun?: boolean;
}

/**
 * Erases the person whose address it is, with all addresses, accounts and contacts that are the person's now, in one
 * transaction under the locks that everybody takes. Of other people nothing changes but that their facts do not name the
 * erased any more (see `planErasure`).
 *
 * @throws OperatorError for a key that is not the one of earlier erasures, or of a service that is running.
 */
export async function erasePerson(db: Database, address: Address, options: EraseOptions): Promise<Erased> {
  try {
    return await retryTransient(() => inTransaction(db, (tx) => erase(tx, address, options)));
  } catch (error) {
    if (error instanceof TakenBack) return error.erased;
    throw error;
  }
}

/** Not an error: ends a transaction that was only tried. */
class TakenBack extends Error {
  constructor(readonly erased: Erased) {
    super();
  }
}

/** A number of our own: one erasure at a time, so that two of them cannot be the first, with different keys. */
const ERASURE_LOCK = 7_261_002;

async function erase(tx: Transaction, address: Address, { erasureKey, dryRun }: EraseOptions): Promise<Erased> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${ERASURE_LOCK}::bigint)`;
  await requireErasureKey(tx, erasureKey);
  await requireKeyOfServices(tx, erasureKey);
  await holdRelay(tx);
  const { facts, reach, contactOf } = await lockAndLoad(tx, address);
  const contactId = contactOf.get(address.key);
  const group: ContactGroup = contactId
    ? await lockContactGroup(tx, contactId)
    : { contacts: [], tokens: [], merges: [] };

  const uid = ownerOf(facts, address.key);
  const person = { uid, addresses: uid === null ? [address.key] : addressesOwnedBy(facts, uid) };
  const plan = planErasure(facts, person, { now: Date.now(), newName: randomUUID, merges: new Set(group.merges) });
  const erased = await saveErasure(tx, plan, (other) => contactOf.get(other) as string);
  await eraseMerges(tx, { merges: group.merges, names: plan.names, uids: reach.uids });
  await eraseContacts(tx, group);
  const messages = await eraseOutbox(tx, {
    contacts: group.contacts,
    addresses: plan.addresses,
    ids: [...plan.uids, ...group.tokens],
  });
  await saveErasureHashes(tx, erasureKey, plan);
  const { contacts, tokens, merges } = group;
  const result = {
    known: contactId !== undefined,
    at: plan.at,
    deleted: {
      ...erased,
      addresses: erased.addresses - (contactId === undefined ? 1 : 0), // the row that was the lock
      contacts: contacts.length,
      tokens: tokens.length,
      merges: merges.length,
      messages,
    },
  };
  if (dryRun) throw new TakenBack(result);
  return result;
}

/**
 * Locks and loads all that is known of whom an address leads to. One that nobody knows is inserted, which locks it: an
 * event that names it waits, and finds it erased.
 */
async function lockAndLoad(
  tx: Queries,
  address: Address,
): Promise<{ facts: Facts; reach: ConnectedComponent; contactOf: Map<string, string> }> {
  const reach = await findConnectedComponent(tx, { addresses: [address.key], uids: [], tokens: [] });
  const incoming = { facts: addressFacts(address, 0), contactId: ids.contact() };
  const { rows, fresh } = await lockAddresses(tx, [incoming], reach.addresses);
  const accounts = await lockAccounts(tx, [], reach.uids);
  if (!rows.some((row) => row.facts.address === address.key)) throw new StaleReadError();

  const facts = new Facts();
  for (const row of rows) facts.addAddress(row.facts);
  for (const row of accounts.rows) facts.addAccount(row.facts);
  const [within, whose] = [new Set(reach.addresses), new Set(reach.uids)];
  for (const claim of await loadClaims(tx, reach)) {
    if (!within.has(claim.address) || !whose.has(claim.uid)) throw new StaleReadError();
    facts.addClaim(claim);
  }
  for (const choice of await loadChoices(tx, reach)) facts.addChoice(choice);
  for (const merge of await loadUndone(tx, reach.uids)) facts.addUndone(merge);
  const known = rows.filter((row) => !fresh.has(row.facts.address));
  return { facts, reach, contactOf: new Map(known.map((row) => [row.facts.address, row.contactId])) };
}
