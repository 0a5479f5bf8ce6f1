import type { WorkingSet } from '../../contacts/change-recorder';
import type { DeletionEvent, Time } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import { arrayLiteral } from '../../postgres/array-literal';
import { StaleReadError } from '../../postgres/batch/find-component';
import { type Locked, loadContactIndex, lockAndLoad, namedBy } from '../../postgres/batch/lock-and-load';
import { saveChanges } from '../../postgres/batch/save-changes';
import { type Database, inTransaction, type Queries, type Transaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { erasureTimes, type Hashed } from '../../postgres/tables/erasure';
import { firstImports } from '../../postgres/tables/first-import';
import { type Admission, findConflicts, type Known, planImport } from './plan';
import { type ImportRecord, needsFirstImport, since, withFirstImport } from './record';

export interface ImportOptions {
  /** The key of the erasure hashes; without it, erased people are not recognised. */
  erasureKey: string | null;
  /** Returns what would be done, and changes nothing. */
  dryRun: boolean;
}

export interface ImportedBatch {
  /** One outcome for each record; `erased` if the person was erased after the record was last written. */
  outcomes: (Admission | 'erased')[];
  /** How many claims were held. */
  held: number;
  /** How many contacts are now mailed at an address other than their record's own. */
  readdressed: number;
  /** Deletions of accounts that still have to be applied, as events. */
  deletions: DeletionEvent[];
}

/**
 * Imports records as facts and contacts, in one transaction with a fixed number of statements. Nothing is announced,
 * because other systems already have these contacts.
 */
export const importRecords = (
  db: Database,
  records: readonly ImportRecord[],
  { erasureKey, dryRun }: ImportOptions,
): Promise<ImportedBatch> =>
  retryTransient(() => inTransaction(db, (tx) => importBatch(tx, records, erasureKey), { dryRun }));

async function importBatch(
  tx: Transaction,
  records: readonly ImportRecord[],
  erasureKey: string | null,
): Promise<ImportedBatch> {
  const remaining = await withoutErased(tx, records, erasureKey);
  const kept = remaining.filter((record) => record !== null);
  const known = await findKnown(tx, kept);
  const conflicts = findConflicts(kept, known);
  const accepted = await withFirstImports(
    tx,
    kept.filter((_, i) => conflicts[i] === null),
  );
  const state = await lockAndLoadRecords(tx, accepted, known, erasureKey);
  // Checked again under the locks: an erasure that was in progress has ended before they were granted.
  if (erasureKey !== null && sizesOf(await withoutErased(tx, records, erasureKey)) !== sizesOf(remaining)) {
    throw new StaleReadError();
  }
  const { changes, admissions, readdressed, deletions } = planImport(state, accepted, known);
  await saveChanges(tx, changes, state.facts);
  const [ofKept, ofAccepted] = [conflicts.values(), admissions.values()];
  return {
    outcomes: remaining.map((record) =>
      record === null ? 'erased' : (ofKept.next().value ?? (ofAccepted.next().value as Admission)),
    ),
    held: [...changes.claims, ...changes.statusChanges].filter(({ status }) => status === 'held').length,
    readdressed,
    deletions,
  };
}

/** What is left of each record after the erasures of the people it names; null if nothing is. */
async function withoutErased(
  tx: Queries,
  records: readonly ImportRecord[],
  erasureKey: string | null,
): Promise<(ImportRecord | null)[]> {
  if (erasureKey === null) return [...records];
  const times = await erasureTimes(tx, records.map(namedIn), erasureKey);
  return records.map((record, i) => since(record, times[i] as Time));
}

/** A repeated import gives undated refusals the time of the first import, so that they do not end what was chosen since. */
async function withFirstImports(tx: Queries, records: readonly ImportRecord[]): Promise<ImportRecord[]> {
  const times = await firstImports(
    tx,
    records.filter(needsFirstImport).map(({ id }) => id),
  );
  return records.map((record) => {
    const time = times.get(record.id);
    return time === undefined ? record : withFirstImport(record, time);
  });
}

const namedIn = ({ address, account }: ImportRecord): Hashed[] => [
  { kind: 'address', key: address.key },
  ...(account?.claims.map((claim): Hashed => ({ kind: 'address', key: claim.address.key })) ?? []),
  ...(account ? [{ kind: 'account' as const, key: account.uid }] : []),
];

const sizesOf = (remaining: readonly (ImportRecord | null)[]): string =>
  remaining.map((record) => record && `${record.choices.length} ${record.account?.claims.length}`).join();

/** The ids, tokens, addresses and accounts of records that are already stored. */
interface KnownNames extends Known {
  uids: ReadonlySet<string>;
}

/** Looks up the ids, tokens, addresses and accounts that records name. Takes no locks. */
async function findKnown(tx: Queries, records: readonly ImportRecord[]): Promise<KnownNames> {
  const addresses = records.flatMap(({ address, account }) => [
    address.key,
    ...(account?.claims.map((claim) => claim.address.key) ?? []),
  ]);
  const rows = await tx.$queryRaw<{ kind: 'id' | 'token' | 'address' | 'uid'; key: string; contact: string | null }[]>`
    SELECT 'id' AS kind, id::text AS key, CASE state WHEN 'live' THEN id WHEN 'merged' THEN merged_into END AS contact
    FROM contact WHERE id = ANY (${arrayLiteral(records.map(({ id }) => id))}::uuid[])
    UNION ALL
    SELECT 'token', t.token::text, CASE c.state WHEN 'live' THEN c.id WHEN 'merged' THEN c.merged_into END
    FROM basket_token t JOIN contact c ON c.id = t.contact_id
    WHERE t.token = ANY (${arrayLiteral(records.flatMap(({ token }) => token ?? []))}::uuid[])
    UNION ALL
    SELECT 'address', address, contact_id FROM email_address WHERE address = ANY (${arrayLiteral([...new Set(addresses)])}::text[])
    UNION ALL
    SELECT 'uid', uid, contact_id FROM account WHERE uid = ANY (${arrayLiteral(records.flatMap(({ account }) => account?.uid ?? []))}::text[])`;
  const of = <T>(kind: string, pick: (row: (typeof rows)[number]) => T): T[] =>
    rows.filter((row) => row.kind === kind).map(pick);
  return {
    ids: new Map(of('id', ({ key, contact }) => [key, contact])),
    tokens: new Map(of('token', ({ key, contact }) => [key, contact])),
    addresses: new Map(of('address', ({ key, contact }) => [key, contact as string])),
    uids: new Set(of('uid', ({ key }) => key)),
  };
}

/** Locks and loads what some records may touch. In a first import everything is new, and no component is looked up. */
async function lockAndLoadRecords(
  tx: Queries,
  records: readonly ImportRecord[],
  known: KnownNames,
  erasureKey: string | null,
): Promise<WorkingSet> {
  const incoming = incomingFacts(records);
  const addresses = [...incoming.addresses.keys()].filter((address) => known.addresses.has(address));
  const uids = [...incoming.accounts.keys()].filter((uid) => known.uids.has(uid));
  const seeds = addresses.length + uids.length === 0 ? null : { addresses, uids, tokens: [] };
  const locked = await lockAndLoad(tx, { ...namedBy(incoming, candidatesFor(records)), seeds, erasureKey });
  requireUnchanged(locked, records, known, incoming);
  return { ...locked, contactIndex: await loadContactIndex(tx, locked, seeds) };
}

/**
 * Checks, under the locks, that nothing has changed since the look-up: which names are stored, and the records'
 * contacts.
 */
function requireUnchanged(
  { rows, fresh }: Locked,
  records: readonly ImportRecord[],
  known: KnownNames,
  incoming: Facts,
): void {
  const isChanged =
    [...incoming.addresses.keys()].some((address) => fresh.address.has(address) === known.addresses.has(address)) ||
    [...incoming.accounts.keys()].some((uid) => fresh.account.has(uid) === known.uids.has(uid)) ||
    records.some(({ id, address }) => known.ids.has(id) && rows.address.get(address.key) !== known.ids.get(id));
  if (isChanged) throw new StaleReadError();
}

/**
 * The rows to insert for new addresses and accounts. A new account's deletion is inserted with it, before its claims.
 */
function incomingFacts(records: readonly ImportRecord[]): Facts {
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

/** The contact of each new address and account: preferably that of its own record, so that no row is written twice. */
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
