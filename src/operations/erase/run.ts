import { randomUUID } from 'node:crypto';
import type { Time } from '../../contacts/facts/event';
import { toMessage } from '../../messages/outgoing/notification-message';
import { lookTogether } from '../../postgres/batch/find-component';
import { type Database, inTransaction, type Transaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { ids } from '../../postgres/ids';
import { addToAudit } from '../../postgres/tables/audit';
import { awaitOtherKeys, erasureHashes, requireErasureKey, saveErasureHashes } from '../../postgres/tables/erasure';
import { addToOutbox, holdRelay } from '../../postgres/tables/outbox';
import type { Author } from '../audited';
import { erasedName } from '../erased-name';
import type { Names } from '../mentions';
import { eraseFromAudit } from './audit';
import { appendToList } from './list';
import { planErasure } from './plan';
import {
  type ContactGroup,
  type ErasedFacts,
  eraseContacts,
  eraseFacts,
  eraseMerges,
  eraseNotifications,
  lockAndLoadFacts,
  lockContactGroup,
  type Wanted,
} from './store';

export interface Erased {
  /** Whether a contact had the address. An unknown address is remembered as erased, too. */
  known: boolean;
  /** Events up to this time that name the person are dropped from now on. */
  at: Time;
  deleted: ErasedFacts & { contacts: number; tokens: number; merges: number; messages: number };
  /** The names by which messages refer to the person. Personal data: use them for a search, and never show them. */
  names: Names;
}

export interface EraseOptions {
  erasureKey: string;
  /** Counts what would be deleted, and changes nothing. */
  dryRun?: boolean;
  /** Who erases, for the audit. */
  author?: Author;
  /** A file outside the database to which the erasure is appended. */
  list?: string | null;
  /** When the person was erased, if not now. */
  until?: Time;
  /** Called before the commit: what it throws ends the erasure, and nothing is changed. */
  confirm?(erased: Erased): void;
}

/**
 * Erases the person who has an address or a contact, with all their addresses, accounts and contacts, in one transaction under the
 * same locks as events. Other people's facts stay, but do not name the erased person any more (see `planErasure`).
 *
 * @throws OperatorError if earlier erasures used another key, and for an unknown id.
 */
export const erasePerson = (db: Database, wanted: Wanted, options: EraseOptions): Promise<Erased> =>
  retryTransient(() => inTransaction(db, (tx) => erase(tx, wanted, options), { dryRun: options.dryRun }));

/** An arbitrary lock number: one erasure runs at a time, so that two with different keys cannot both be the first. */
const ERASURE_LOCK = 7_261_002;

async function erase(tx: Transaction, wanted: Wanted, options: EraseOptions): Promise<Erased> {
  const { erasureKey, author, dryRun, list, until, confirm } = options;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${ERASURE_LOCK}::bigint)`;
  await holdRelay(tx);
  await lookTogether(tx);
  await requireErasureKey(tx, erasureKey);
  await awaitOtherKeys(tx, erasureKey);
  const { facts, component, contactOf, contactId, person } = await lockAndLoadFacts(tx, wanted);
  const { contacts, tokens, liveToken, merges }: ContactGroup = contactId
    ? await lockContactGroup(tx, contactId)
    : { contacts: [], tokens: [], liveToken: null, merges: [] };

  const plan = planErasure(facts, person, { now: until ?? Date.now(), newName: randomUUID, merges: new Set(merges) });
  const { addresses, uids, pseudonyms } = plan;
  const erased = await eraseFacts(tx, plan, contactOf);
  await eraseMerges(tx, { merges, pseudonyms, uids: component.uids });
  await eraseContacts(tx, { contacts, tokens });
  const messages = await eraseNotifications(tx, contacts, { addresses, uids, tokens });
  if (contactId) {
    const retiredIds = contacts.filter((id) => id !== contactId);
    const erasure = { kind: 'erased' as const, contactId, token: liveToken, retiredIds };
    await addToOutbox(tx, [toMessage(erasure, Date.now(), ids.merge)]);
  }
  const hashes = { ...erasureHashes(erasureKey, plan), at: plan.at };
  await saveErasureHashes(tx, erasureKey, hashes);
  const deleted = {
    ...erased,
    addresses: erased.addresses - (contactId === null ? 1 : 0), // the row that was inserted as a lock
    contacts: contacts.length,
    tokens: tokens.length,
    merges: merges.length,
    messages,
  };
  const names = { addresses, uids, tokens };
  if (author) {
    const target = {
      addresses: hashes.addresses.map(erasedName),
      accounts: hashes.accounts.map(erasedName),
    };
    await addToAudit(tx, { ...author, command: 'erase', target, result: deleted });
  }
  // The reason above, too. It searches the whole audit, and changes nothing that a dry run shows.
  if (!dryRun) await eraseFromAudit(tx, { ...names, ids: [...contacts, ...merges] }, erasureKey);
  const result = { known: contactId !== null, at: plan.at, deleted, names };
  confirm?.(result);
  if (list && !dryRun) await appendToList(list, erasureKey, hashes);
  return result;
}
