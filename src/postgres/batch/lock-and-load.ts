import type { WorkingSet } from '../../contacts/change-recorder';
import type { ClaimEvent } from '../../contacts/facts/event';
import { type AccountFacts, type AddressFacts, type Claim, Facts } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { ContactIndex } from '../../contacts/identity/contact-index';
import type { Queries } from '../database';
import { ids } from '../ids';
import { insertAccounts, lockAccounts } from '../tables/account';
import { resolveTokens } from '../tables/basket-token';
import { loadBlocks } from '../tables/claim-block';
import { loadContacts } from '../tables/contact';
import { insertAddresses, lockAddresses } from '../tables/email-address';
import { findComponent, PERMISSION_TO_LOOK, type Seeds, StaleReadError } from './find-component';
import { findReach, type OwnershipEvents, type Reach } from './find-reach';
import { loadOwnership } from './load-facts';

/** What a transaction may touch. */
export interface Scope {
  /** Named addresses and accounts: the new ones are inserted. */
  named: { addresses: ReadonlySet<string>; uids: ReadonlySet<string> };
  /** The rows to insert for named addresses and accounts that are new. Called for addresses first, then for accounts. */
  newAddresses(missing: ReadonlySet<string>): StoredRow<AddressFacts, string>[];
  newAccounts(missing: ReadonlySet<string>): StoredRow<AccountFacts, string>[];
  /** Where the search for what to lock and load begins; null locks only the named addresses and accounts. */
  seeds: Seeds | null;
  /** The erasure key of this process; it must be the key of earlier erasures. Undefined if no event is applied. */
  erasureKey?: string | null | undefined;
  /** Events that may change ownership: loads what they reach. If absent, loads the whole connected component. */
  ownership?: OwnershipEvents;
  /**
   * Whether a claim probably reaches nothing beyond its address and account. Nothing is looked up for such a claim
   * before it is locked; if it does reach more, the look is lost.
   */
  isLocal?(claim: ClaimEvent): boolean;
}

/** Locked addresses and accounts with their facts, and the claims that decide about those that are reached. */
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
 * @throws StaleReadError if more is reached than what was looked up before the locks
 * @throws WrongErasureKeyError
 */
export async function lockAndLoad(tx: Queries, { named, seeds, ownership, ...scope }: Scope): Promise<Locked> {
  const { isLocal = () => false, erasureKey } = scope;
  const look = await lookBeforeLock(tx, seeds, ownership, isLocal);
  const addresses = await lockRows(named.addresses, look.addresses, {
    lock: async (keys) => (keys.length === 0 && erasureKey === undefined ? [] : lockAddresses(tx, keys, erasureKey)),
    create: (missing) => scope.newAddresses(missing),
    insert: (rows) => insertAddresses(tx, rows),
    keyOf: ({ address }) => address,
  });
  const accounts = await lockRows(named.uids, look.uids, {
    lock: async (keys) => (keys.length === 0 ? [] : lockAccounts(tx, keys)),
    create: (missing) => scope.newAccounts(missing),
    insert: (rows) => insertAccounts(tx, rows),
    keyOf: ({ uid }) => uid,
  });
  const facts = new Facts();
  for (const row of addresses.rows) facts.addAddress(row.facts);
  for (const row of accounts.rows) facts.addAccount(row.facts);
  const rows = { address: addresses.contactOf, account: accounts.contactOf };
  const reach = seeds && ownership ? await lookUnderLocks(tx, seeds, ownership, look, rows) : look;
  const continuing = await loadReached(tx, reach, facts, ownership);
  const fresh = { address: addresses.fresh, account: accounts.fresh };
  return { facts, rows, fresh, component: reach, continuing };
}

async function lookBeforeLock(
  tx: Queries,
  seeds: Seeds | null,
  ownership: OwnershipEvents | undefined,
  isLocal: (claim: ClaimEvent) => boolean,
): Promise<Reach> {
  if (!seeds) return NOTHING;
  if (!ownership) return { ...(await findComponent(tx, seeds, PERMISSION_TO_LOOK)), continuing: [], isWhole: true };
  const claims = ownership.claims.filter((claim) => !isLocal(claim));
  if (claims.length === 0 && !namesAny(seeds)) return NOTHING;
  return findReach(tx, seeds, { ...ownership, claims }, { permission: PERMISSION_TO_LOOK });
}

const namesAny = ({ addresses, uids, tokens, ids = [] }: Seeds): boolean =>
  addresses.length + uids.length + tokens.length + ids.length > 0;

/**
 * Finds what is reached now; the locks keep it unchanged. Asks for no permission to look: a transaction that looks
 * alone may wait for these locks.
 *
 * @throws StaleReadError if more is reached than what is locked
 */
async function lookUnderLocks(
  tx: Queries,
  seeds: Seeds,
  ownership: OwnershipEvents,
  before: ConnectedComponent,
  locked: Locked['rows'],
): Promise<Reach> {
  const reach = await findReach(tx, seeds, ownership);
  // Addresses that are not stored have no row to lock: those of refusals that count only if stored, and erased ones.
  const notStored = { addresses: new Set([...seeds.addresses, ...before.addresses]), uids: new Set(before.uids) };
  const isLocked =
    reach.addresses.every((address) => locked.address.has(address) || notStored.addresses.has(address)) &&
    reach.uids.every((uid) => locked.account.has(uid) || notStored.uids.has(uid));
  if (!isLocked) throw new StaleReadError();
  return reach;
}

/** Adds who owns what to the facts. @returns the events whose claim continues a period */
async function loadReached(
  tx: Queries,
  reach: Reach,
  facts: Facts,
  { claims, deletions }: OwnershipEvents = { claims: [], deletions: [] },
): Promise<Set<ClaimEvent>> {
  const [addresses, uids] = [new Set(reach.addresses), new Set(reach.uids)];
  // If another event reaches the account of a claim, that claim is decided with all the others.
  const continuing = new Set(
    reach.continuing.map((index) => claims[index] as ClaimEvent).filter(({ uid }) => !uids.has(uid)),
  );
  if (addresses.size + uids.size === 0) return continuing;
  const others = claims.filter((event) => !continuing.has(event));
  const loaded = await loadOwnership(tx, reach, facts, { claims: others, deletions });
  // With only some addresses or accounts of a whole component, owners would be wrong.
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
  /** Locks and returns those of these rows that are stored, sorted by key. */
  lock(keys: readonly string[]): Promise<StoredRow<F, C>[]>;
  /** The rows to insert for named keys that are not stored. */
  create(missing: ReadonlySet<string>): StoredRow<F, string>[];
  /** Inserts new rows, sorted by key, and returns how many did not exist yet. */
  insert(rows: readonly StoredRow<F, string>[]): Promise<number>;
  keyOf(facts: F): string;
}

/** @returns all rows, the contact of each, and the keys of the new rows. */
async function lockRows<F, C>(
  named: ReadonlySet<string>,
  others: readonly string[],
  { lock, create, insert, keyOf }: LockableTable<F, C>,
): Promise<{ rows: StoredRow<F, C | string>[]; contactOf: Map<string, C | string>; fresh: Set<string> }> {
  const wanted = others.length === 0 ? [...named] : [...new Set([...named, ...others])];
  const rows: StoredRow<F, C | string>[] = await lock(wanted);
  const contactOf = new Map<string, C | string>();
  for (const { facts, contactId } of rows) contactOf.set(keyOf(facts), contactId);
  const fresh = new Set<string>();
  for (const key of named) if (!contactOf.has(key)) fresh.add(key);
  const created = fresh.size === 0 ? [] : create(fresh);
  // Locking a row that was inserted meanwhile would break the order of the locks.
  if (created.length > 0 && (await insert(created)) < created.length) throw new StaleReadError();
  for (const { facts, contactId } of created) contactOf.set(keyOf(facts), contactId);
  return { rows: created.length === 0 ? rows : [...rows, ...created], contactOf, fresh };
}

/** A scope's names and new rows, if the facts of each are known beforehand. @param candidates a contact id for each */
export const namedBy = (incoming: Facts, candidates: ReadonlyMap<string, string>) => {
  const rowsOf = <F>(facts: ReadonlyMap<string, F>, missing: ReadonlySet<string>): StoredRow<F, string>[] =>
    [...missing].map((key) => ({ facts: facts.get(key) as F, contactId: candidates.get(key) as string }));
  return {
    named: { addresses: new Set(incoming.addresses.keys()), uids: new Set(incoming.accounts.keys()) },
    newAddresses: (missing: ReadonlySet<string>) => rowsOf(incoming.addresses, missing),
    newAccounts: (missing: ReadonlySet<string>) => rowsOf(incoming.accounts, missing),
  };
};

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
  const eachStored = (visit: (kind: Kind, key: string, contactId: string) => void): void => {
    for (const kind of KINDS) {
      for (const [key, contactId] of rows[kind]) {
        if (contactId !== null && !fresh[kind].has(key)) visit(kind, key, contactId);
      }
    }
  };
  if (seeds) {
    const blocked = component.uids.filter((uid) => facts.claimsBy(uid).some(({ status }) => status === 'blocked'));
    if (blocked.length > 0) for (const block of await loadBlocks(tx, blocked)) facts.addBlock(block);
    const within = { address: new Set(component.addresses), account: new Set(component.uids) };
    const stored = new Set<string>();
    eachStored((kind, key, contactId) => {
      if (within[kind].has(key)) stored.add(contactId);
    });
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
  eachStored((kind, key, contactId) => {
    if (!contactIndex.contacts.has(contactId)) contactIndex.restore(contactId, 'live', null, 0, null);
    contactIndex.link(kind, key, contactId);
  });
  return contactIndex;
}

const KINDS = ['address', 'account'] as const;
type Kind = (typeof KINDS)[number];
