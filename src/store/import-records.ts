import { type Admission, admit, screen } from '../contacts/admit';
import type { State } from '../contacts/changes';
import type { DeletionEvent, Time } from '../contacts/event';
import { Facts } from '../contacts/facts';
import { type ImportRecord, since } from '../contacts/imported';
import { addressFacts } from '../contacts/record';
import { type Database, inTransaction, type Queries } from './database';
import { erasureTimes } from './erase/find-erased';
import type { Hashed } from './erase/key';
import { findKnown, type KnownNames } from './find-known';
import { findReach, ReachGrew } from './find-reach';
import { ids } from './ids';
import { loadClaimsAndContacts, placesIn } from './load-state';
import { lockState } from './lock-state';
import { saveChanges } from './save-changes';
import { tryAgain } from './try-again';

export interface ImportOptions {
  /** Key of the hashes of erased people; without it nobody is known to be erased. */
  erasureKey: string | null;
  /** Decide, and change nothing. */
  dryRun: boolean;
}

export interface ImportedBatch {
  /** One for each record; `erased` is of a person who was erased since the record's last write. */
  outcomes: (Admission | 'erased')[];
  /** Claims that were held. */
  held: number;
  /** Still to be applied, as events. */
  deletions: DeletionEvent[];
}

/**
 * Records as facts and contacts, in one transaction with a fixed number of statements. Nothing is announced: readers have
 * these contacts already.
 */
export function importRecords(
  db: Database,
  records: readonly ImportRecord[],
  options: ImportOptions,
): Promise<ImportedBatch> {
  return tryAgain(() => attempt(db, records, options));
}

/** Not an error: ends a transaction that was only looked at. */
class RolledBack extends Error {
  constructor(readonly batch: ImportedBatch) {
    super();
  }
}

async function attempt(
  db: Database,
  records: readonly ImportRecord[],
  { erasureKey, dryRun }: ImportOptions,
): Promise<ImportedBatch> {
  try {
    return await inTransaction(db, async (tx) => {
      const left = await withoutErased(tx, records, erasureKey);
      const kept = left.filter((record) => record !== null);
      const known = await findKnown(tx, kept);
      const verdicts = screen(kept, known);
      const going = kept.filter((_, i) => verdicts[i] === null);
      const state = await lockAndLoad(tx, going, known);
      // Once more, now that an erasure that was going on has been waited for.
      if (erasureKey !== null && describe(await withoutErased(tx, records, erasureKey)) !== describe(left)) {
        throw new ReachGrew();
      }
      const { changes, admissions, deletions } = admit(state, going, known);
      await saveChanges(tx, changes, state.facts);
      const [screened, admitted] = [verdicts.values(), admissions.values()];
      const batch: ImportedBatch = {
        outcomes: left.map((record) =>
          record === null ? 'erased' : (screened.next().value ?? (admitted.next().value as Admission)),
        ),
        held: [...changes.claims, ...changes.standings].filter(({ standing }) => standing === 'held').length,
        deletions,
      };
      if (dryRun) throw new RolledBack(batch);
      return batch;
    });
  } catch (error) {
    if (error instanceof RolledBack) return error.batch;
    throw error;
  }
}

/** What may be taken of each record, whoever was erased since its facts; null where nothing may. */
async function withoutErased(
  tx: Queries,
  records: readonly ImportRecord[],
  erasureKey: string | null,
): Promise<(ImportRecord | null)[]> {
  if (erasureKey === null) return [...records];
  const times = await erasureTimes(tx, records.map(namedIn), erasureKey);
  return records.map((record, i) => since(record, times[i] as Time));
}

const namedIn = ({ address, account }: ImportRecord): Hashed[] => [
  { kind: 'address', key: address.key },
  ...(account?.claims.map((claim): Hashed => ({ kind: 'address', key: claim.address.key })) ?? []),
  ...(account ? [{ kind: 'account' as const, key: account.uid }] : []),
];

const describe = (left: readonly (ImportRecord | null)[]): string =>
  left.map((record) => record && `${record.choices.length} ${record.account?.claims.length}`).join();

/** The same as `loadState` for events; where all is new, as in a first import, nothing needs to be looked for. */
async function lockAndLoad(tx: Queries, records: readonly ImportRecord[], known: KnownNames): Promise<State> {
  const news = newsOf(records);
  const seeds = {
    addresses: [...news.addresses.keys()].filter((address) => known.addresses.has(address)),
    uids: [...news.accounts.keys()].filter((uid) => known.uids.has(uid)),
  };
  const isFirst = seeds.addresses.length + seeds.uids.length === 0;
  const reach = isFirst ? seeds : await findReach(tx, { ...seeds, tokens: [] });
  const state = await lockState(tx, news, reach, candidatesFor(records), ids);
  requireSame(state, records, known, news);
  if (!isFirst) await loadClaimsAndContacts(tx, state, reach, { tokens: [], contacts: [] });
  for (const { kind, key, contactId } of placesIn(state)) state.directory.restorePlace(kind, key, contactId);
  return state;
}

/** Under the locks all must be as it was at the look: what is known, and where the records' contacts are. */
function requireSame({ rows, fresh }: State, records: readonly ImportRecord[], known: KnownNames, news: Facts): void {
  for (const address of news.addresses.keys()) {
    if (!rows.address.has(address) || fresh.address.has(address) === known.addresses.has(address))
      throw new ReachGrew();
  }
  for (const uid of news.accounts.keys()) {
    if (!rows.account.has(uid) || fresh.account.has(uid) === known.uids.has(uid)) throw new ReachGrew();
  }
  for (const { id, address } of records) {
    if (known.ids.has(id) && rows.address.get(address.key) !== known.ids.get(id)) throw new ReachGrew();
  }
}

/** The rows to insert for what is new. A deletion is learned with the account, before its claims. */
function newsOf(records: readonly ImportRecord[]): Facts {
  const news = new Facts();
  for (const { address, at, profile, account } of records) {
    news.learnAddress(addressFacts(address, at, profile));
    if (!account) continue;
    for (const claim of account.claims) news.learnAddress(addressFacts(claim.address, claim.at));
    const { uid, deletedAt, locale, service } = account;
    news.learnAccount({
      uid,
      ...(deletedAt !== undefined && { deletedAt }),
      ...(locale !== undefined && { locale: { value: locale, at: account.at } }),
      ...(service !== undefined && { service: { value: service, at: account.at } }),
    });
  }
  return news;
}

/** The contact of each new address and account: that of the record whose own it is, so that no row is written twice. */
function candidatesFor(records: readonly ImportRecord[]): Map<string, string> {
  const candidates = new Map<string, string>();
  const suggest = (key: string, id: string): void => {
    if (!candidates.has(key)) candidates.set(key, id);
  };
  for (const { id, address } of records) suggest(address.key, id);
  for (const { id, account } of records) {
    for (const claim of account?.claims ?? []) suggest(claim.address.key, id);
    if (account) suggest(account.uid, id);
  }
  return candidates;
}
