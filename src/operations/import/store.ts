import type { WorkingSet } from '../../contacts/change-recorder';
import type { DeletionEvent, Time } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import { type Database, inTransaction, type Queries } from '../../postgres/database';
import { findConnectedComponent, StaleReadError } from '../../postgres/find-component';
import { ids } from '../../postgres/ids';
import { loadClaimsAndContacts, placesIn } from '../../postgres/lock-and-load';
import { lockRows } from '../../postgres/lock-state';
import { saveChanges } from '../../postgres/save-changes';
import type { Hashed } from '../../postgres/tables/erasure-key';
import { erasureTimes } from '../../postgres/tables/find-erased';
import { retryTransient } from '../../postgres/try-again';
import { findKnown, type KnownNames } from './find-known';
import { type Admission, findConflicts, planImport } from './plan';
import { type ImportRecord, since } from './record';

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
  return retryTransient(() => attempt(db, records, options));
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
      const verdicts = findConflicts(kept, known);
      const going = kept.filter((_, i) => verdicts[i] === null);
      const state = await lockAndLoad(tx, going, known);
      // Once more, now that an erasure that was going on has been waited for.
      if (erasureKey !== null && describe(await withoutErased(tx, records, erasureKey)) !== describe(left)) {
        throw new StaleReadError();
      }
      const { changes, admissions, deletions } = planImport(state, going, known);
      await saveChanges(tx, changes, state.facts);
      const [screened, admitted] = [verdicts.values(), admissions.values()];
      const batch: ImportedBatch = {
        outcomes: left.map((record) =>
          record === null ? 'erased' : (screened.next().value ?? (admitted.next().value as Admission)),
        ),
        held: [...changes.claims, ...changes.statusChanges].filter(({ status }) => status === 'held').length,
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
async function lockAndLoad(tx: Queries, records: readonly ImportRecord[], known: KnownNames): Promise<WorkingSet> {
  const incoming = newsOf(records);
  const seeds = {
    addresses: [...incoming.addresses.keys()].filter((address) => known.addresses.has(address)),
    uids: [...incoming.accounts.keys()].filter((uid) => known.uids.has(uid)),
  };
  const isFirst = seeds.addresses.length + seeds.uids.length === 0;
  const reach = isFirst ? seeds : await findConnectedComponent(tx, { ...seeds, tokens: [] });
  const state = await lockRows(tx, incoming, reach, candidatesFor(records), ids);
  requireSame(state, records, known, incoming);
  if (!isFirst) await loadClaimsAndContacts(tx, state, reach, { tokens: [], contacts: [] });
  for (const { kind, key, contactId } of placesIn(state)) state.contactIndex.link(kind, key, contactId);
  return state;
}

/** Under the locks all must be as it was at the look: what is known, and where the records' contacts are. */
function requireSame(
  { rows, fresh }: WorkingSet,
  records: readonly ImportRecord[],
  known: KnownNames,
  incoming: Facts,
): void {
  for (const address of incoming.addresses.keys()) {
    if (!rows.address.has(address) || fresh.address.has(address) === known.addresses.has(address))
      throw new StaleReadError();
  }
  for (const uid of incoming.accounts.keys()) {
    if (!rows.account.has(uid) || fresh.account.has(uid) === known.uids.has(uid)) throw new StaleReadError();
  }
  for (const { id, address } of records) {
    if (known.ids.has(id) && rows.address.get(address.key) !== known.ids.get(id)) throw new StaleReadError();
  }
}

/** The rows to insert for what is new. A deletion is learned with the account, before its claims. */
function newsOf(records: readonly ImportRecord[]): Facts {
  const incoming = new Facts();
  for (const { address, at, profile, account } of records) {
    incoming.addAddress(addressFacts(address, at, profile));
    if (!account) continue;
    for (const claim of account.claims) incoming.addAddress(addressFacts(claim.address, claim.at));
    const { uid, deletedAt, locale, service } = account;
    incoming.addAccount({
      uid,
      ...(deletedAt !== undefined && { deletedAt }),
      ...(locale !== undefined && { locale: { value: locale, at: account.at } }),
      ...(service !== undefined && { service: { value: service, at: account.at } }),
    });
  }
  return incoming;
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
