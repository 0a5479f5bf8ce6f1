/** Erases again, in a restored database, everyone whom the list of erasures names. */
import type { Database } from '../../postgres/database';
import { erasureHash, knownErasures, saveErasureHashes } from '../../postgres/tables/erasure';
import type { Author } from '../audited';
import { type KeyKind, storedKeys } from '../stored-keys';
import type { ListedErasure } from './list';
import { erasePerson } from './run';
import type { Wanted } from './store';

export interface AppliedErasures {
  /** How many erasures are in the list. */
  erasures: number;
  /** How many of them the database already knew. */
  known: number;
  /** How many contacts were found and erased; in a dry run, how many would be. */
  contacts: number;
  /**
   * Contacts that have an address of an erased person, and an account that the list does not name with it: another person
   * may have had the address first. They are left for the operator to decide.
   */
  undecided: string[];
}

export interface ApplyListOptions {
  erasureKey: string;
  author: Author;
  dryRun: boolean;
}

/** An erasure of the list, with the stored addresses and accounts that it is about. */
interface Found {
  erasure: ListedErasure;
  addresses: string[];
  uids: string[];
}

/**
 * Erases with the time of each erasure, so that what a person did after it counts when it is replayed. For the same reason
 * an erasure that the database knows is skipped. It can be interrupted, and run again.
 */
export async function applyList(
  db: Database,
  erasures: readonly ListedErasure[],
  options: ApplyListOptions,
): Promise<AppliedErasures> {
  const known = await knownErasures(db, erasures);
  const missing = erasures.filter((_, i) => !known[i]);
  const applied = { erasures: erasures.length, known: erasures.length - missing.length, contacts: 0 };
  const undecided = new Set<string>();
  for (const found of await findNames(db, missing, options.erasureKey)) {
    applied.contacts += await eraseFound(db, found, undecided, options);
    if (!options.dryRun) await saveErasureHashes(db, options.erasureKey, found.erasure);
  }
  return { ...applied, undecided: [...undecided] };
}

async function findNames(db: Database, erasures: readonly ListedErasure[], erasureKey: string): Promise<Found[]> {
  const all = erasures.map((erasure): Found => ({ erasure, addresses: [], uids: [] }));
  if (all.length === 0) return [];
  const byHash = new Map<string, Found[]>();
  for (const found of all) {
    for (const hash of [...found.erasure.addresses, ...found.erasure.accounts]) {
      byHash.set(hash, [...(byHash.get(hash) ?? []), found]);
    }
  }
  const matches = (kind: KeyKind, key: string): Found[] => byHash.get(erasureHash(erasureKey, { kind, key })) ?? [];
  for await (const key of storedKeys(db, 'address'))
    for (const { addresses } of matches('address', key)) addresses.push(key);
  for await (const key of storedKeys(db, 'account')) for (const { uids } of matches('account', key)) uids.push(key);
  return all;
}

/** @returns how many contacts were erased */
async function eraseFound(
  db: Database,
  { erasure, addresses, uids }: Found,
  undecided: Set<string>,
  { erasureKey, author, dryRun }: ApplyListOptions,
): Promise<number> {
  let contacts = 0;
  const erase = async (wanted: Wanted): Promise<void> => {
    const { deleted } = await erasePerson(db, wanted, { erasureKey, author, dryRun, until: erasure.at });
    contacts += deleted.contacts;
  };
  for (const uid of uids) {
    const [account] = await db.$queryRaw<{ contactId: string | null }[]>`
      SELECT contact_id AS "contactId" FROM account WHERE uid = ${uid}`;
    if (account?.contactId) await erase({ contactId: account.contactId });
  }
  for (const key of addresses) {
    const [holder] = await db.$queryRaw<{ contactId: string; uid: string | null }[]>`
      SELECT contact_id AS "contactId", uid FROM email_address LEFT JOIN account USING (contact_id) WHERE address = ${key}`;
    if (!holder) continue; // erased with the account
    if (holder.uid === null) await erase({ key, typed: key });
    else if (!uids.includes(holder.uid)) undecided.add(holder.contactId);
  }
  return contacts;
}
