import type { WorkingSet } from '../contacts/change-recorder';
import type { ClaimEvent } from '../contacts/facts/event';
import { type Claim, Facts } from '../contacts/facts/facts';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import { ContactIndex } from '../contacts/identity/contact-index';
import type { Queries } from './database';
import { findComponent, PERMISSION_TO_LOOK, type Seeds, StaleReadError } from './find-component';
import { findReach, type OwnershipEvents, type Reach } from './find-reach';
import type { Prisma } from './generated/prisma/client';
import { ids } from './ids';
import { loadOwnership } from './load-facts';
import { insertAccounts, lockAccounts } from './tables/account';
import { resolveTokens } from './tables/basket-token';
import { loadBlocks } from './tables/claim-block';
import { loadContacts } from './tables/contact';
import { insertAddresses, lockAddresses } from './tables/email-address';

/** What a transaction may touch. */
export interface Scope {
  /** Named addresses and accounts, each with what is said of it: the new ones are inserted. */
  incoming: Facts;
  /** The contact id of each named address and account, should it be new. */
  candidates: ReadonlyMap<string, string>;
  /** Where the search for what to lock and load begins; null locks only the named addresses and accounts. */
  seeds: Seeds | null;
  /** The key of this process, which must be the key of earlier erasures. Undefined where no event is applied. */
  erasureKey?: string | null | undefined;
  /** Events that may change ownership: what they reach is loaded. Without them, the whole connected component is. */
  ownership?: OwnershipEvents;
}

/** Locked addresses and accounts with their facts, and the claims that decide about those that were searched for. */
export interface Locked extends Omit<WorkingSet, 'contactIndex'> {
  component: ConnectedComponent;
}

const NOTHING: Reach = { addresses: [], uids: [], continuing: [], isWhole: false };

/**
 * Locks and loads everything that a transaction may touch, in a fixed number of statements. Locks are taken in one
 * order by every transaction, so that no two wait for each other: stored addresses, new addresses, stored accounts, new
 * accounts, each sorted. Inserting a row locks it: a unique index is a lock. A transaction that works on an address or
 * an account holds its lock until the commit.
 *
 * @throws StaleReadError if another transaction changed what was looked up before it was locked.
 * @throws WrongErasureKeyError
 */
export async function lockAndLoad(tx: Queries, scope: Scope): Promise<Locked> {
  const { incoming, candidates, erasureKey } = scope;
  const reach = await look(tx, scope, PERMISSION_TO_LOOK);
  const addresses = await lockRows(incoming.addresses, reach.addresses, candidates, {
    lock: async (keys) => (keys.length === 0 && erasureKey === undefined ? [] : lockAddresses(tx, keys, erasureKey)),
    insert: (rows) => insertAddresses(tx, rows),
    keyOf: ({ address }) => address,
  });
  const accounts = await lockRows(incoming.accounts, reach.uids, candidates, {
    lock: async (keys) => (keys.length === 0 ? [] : lockAccounts(tx, keys)),
    insert: (rows) => insertAccounts(tx, rows),
    keyOf: ({ uid }) => uid,
  });
  const facts = new Facts();
  for (const row of addresses.rows) facts.addAddress(row.facts);
  for (const row of accounts.rows) facts.addAccount(row.facts);
  const continuing = await loadLocked(tx, scope, reach, facts);
  const rows = { address: addresses.contactOf, account: accounts.contactOf };
  const fresh = { address: addresses.fresh, account: accounts.fresh };
  return { facts, rows, fresh, component: reach, continuing };
}

async function look(tx: Queries, { seeds, ownership }: Scope, permission?: Prisma.Sql): Promise<Reach> {
  if (!seeds) return NOTHING;
  if (ownership) return findReach(tx, seeds, ownership, { permission });
  return { ...(await findComponent(tx, seeds, permission)), continuing: [], isWhole: true };
}

/** Under the locks: adds who owns what to the facts. @returns the events whose claim continues a period */
async function loadLocked(tx: Queries, scope: Scope, reach: Reach, facts: Facts): Promise<Set<ClaimEvent>> {
  const { ownership } = scope;
  const continuing = new Set<ClaimEvent>();
  const [addresses, uids] = [new Set(reach.addresses), new Set(reach.uids)];
  if (addresses.size + uids.size + reach.continuing.length === 0) return continuing;
  if (ownership) {
    const now = await look(tx, scope);
    const isWithin = now.addresses.every((key) => addresses.has(key)) && now.uids.every((uid) => uids.has(uid));
    if (!isWithin || now.isWhole !== reach.isWhole) throw new StaleReadError();
    for (const index of now.continuing) {
      const claim = ownership.claims[index] as ClaimEvent;
      // The claim of an account that another event reaches is decided with all the others.
      if (!uids.has(claim.uid)) continuing.add(claim);
    }
  }
  if (addresses.size + uids.size === 0) return continuing;
  const claims = ownership?.claims.filter((event) => !continuing.has(event)) ?? [];
  const loaded = await loadOwnership(tx, reach, facts, { claims, deletions: ownership?.deletions ?? [] });
  // With fewer addresses or accounts of a whole component, owners would be wrong.
  const isComplete = (claim: Claim): boolean =>
    addresses.has(claim.address) && uids.has(claim.uid) && facts.accounts.has(claim.uid);
  if (reach.isWhole && !loaded.every(isComplete)) throw new StaleReadError();
  return continuing;
}

interface StoredRow<F, C> {
  facts: F;
  contactId: C;
}

interface LockableTable<F, C> {
  /** Locks and returns the stored ones of these rows, sorted by key. */
  lock(keys: readonly string[]): Promise<StoredRow<F, C>[]>;
  /** Inserts new rows, sorted by key, and returns how many were not there yet. */
  insert(rows: readonly StoredRow<F, string>[]): Promise<number>;
  keyOf(facts: F): string;
}

/** @returns all rows, the contact of each, and the keys of the new rows. */
async function lockRows<F, C>(
  incoming: ReadonlyMap<string, F>,
  others: readonly string[],
  candidates: ReadonlyMap<string, string>,
  { lock, insert, keyOf }: LockableTable<F, C>,
): Promise<{ rows: StoredRow<F, C | string>[]; contactOf: Map<string, C | string>; fresh: Set<string> }> {
  const wanted = [...new Set([...incoming.keys(), ...others])];
  const rows: StoredRow<F, C | string>[] = await lock(wanted);
  const contactOf = new Map(rows.map(({ facts, contactId }) => [keyOf(facts), contactId]));
  const missing = [...incoming].filter(([key]) => !contactOf.has(key));
  const created = missing.map(([key, facts]) => ({ facts, contactId: candidates.get(key) as string }));
  // To lock a row that was inserted meanwhile would break the order of the locks.
  if (created.length > 0 && (await insert(created)) < created.length) throw new StaleReadError();
  for (const { facts, contactId } of created) contactOf.set(keyOf(facts), contactId);
  return { rows: [...rows, ...created], contactOf, fresh: new Set(missing.map(([key]) => key)) };
}

/**
 * The contacts of locked addresses and accounts, and of the seeds' tokens. Outside of the component a contact only needs
 * to be live, which a constraint guarantees for the contact of an address. Also adds blocks to the facts.
 *
 * @param seeds the seeds that were locked.
 * @param others ids of further contacts to load.
 */
export async function loadContactIndex(
  tx: Queries,
  { facts, rows, fresh, component }: Locked,
  seeds: Seeds | null,
  others: readonly string[] = [],
): Promise<ContactIndex> {
  const contactIndex = new ContactIndex(ids);
  const places = (['address', 'account'] as const).flatMap((kind) =>
    [...rows[kind]].flatMap(([key, contactId]) =>
      contactId === null || fresh[kind].has(key) ? [] : { kind, key, contactId },
    ),
  );
  if (seeds) {
    const blocked = component.uids.filter((uid) => facts.claimsBy(uid).some(({ status }) => status === 'blocked'));
    if (blocked.length > 0) for (const block of await loadBlocks(tx, blocked)) facts.addBlock(block);
    const within = { address: new Set(component.addresses), account: new Set(component.uids) };
    const stored = new Set(places.flatMap(({ kind, key, contactId }) => (within[kind].has(key) ? contactId : [])));
    const targets = seeds.tokens.length === 0 ? [] : await resolveTokens(tx, seeds.tokens, seeds.ids);
    const wanted = [...new Set([...stored, ...targets.map(({ contact_id }) => contact_id), ...others])];
    for (const { id, state, merged_into, version, token } of wanted.length > 0 ? await loadContacts(tx, wanted) : []) {
      contactIndex.restore(id, state, merged_into, version, token);
    }
    for (const { by, key, contact_id } of targets) {
      const state = contactIndex.contacts.get(contact_id)?.state;
      const hasEnded = state === 'closed' || state === 'erased';
      if (!hasEnded && !stored.has(contact_id)) throw new StaleReadError();
      if (by === 'token') contactIndex.knowToken(key, contact_id);
      else contactIndex.knowId(key, contact_id);
    }
  }
  for (const { kind, key, contactId } of places) {
    if (!contactIndex.contacts.has(contactId)) contactIndex.restore(contactId, 'live', null, 0, null);
    contactIndex.link(kind, key, contactId);
  }
  return contactIndex;
}
