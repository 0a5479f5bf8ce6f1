/** Everything that the page of a reader shows, of one moment. */
import type { StoredMerge } from '../../contacts/merge/merge';
import { wordsAbout } from '../../operations/audit/filter';
import { type Database, inSnapshot, type Queries } from '../../postgres/database';
import { loadReaders, type Reader } from '../../postgres/look-ups/find-contact';
import { type EndedContact, findEndedContact } from '../../postgres/look-ups/find-ended';
import { findInactiveClaims, type InactiveClaim } from '../../postgres/look-ups/find-inactive-claims';
import { findInAudit, type StoredAuditEntry } from '../../postgres/tables/audit';
import { listMergesOf } from '../../postgres/tables/merge';
import { findWaiting, type WaitingMessages } from '../../postgres/tables/outbox';

/** What happened to a contact. */
export interface Trail {
  /** Newest first, at most {@link SHOWN} of them. */
  merges: StoredMerge[];
  hasMoreMerges: boolean;
  waiting: WaitingMessages;
  entries: StoredAuditEntry[];
}

export type ContactRecord =
  | { kind: 'live'; reader: Reader; inactive: InactiveClaim[]; trail: Trail }
  | { kind: 'ended'; contact: EndedContact; trail: Trail };

/** Null for an id that no contact ever had. */
export const loadRecord = (db: Database, id: string, erasureKey: string | null): Promise<ContactRecord | null> =>
  inSnapshot(db, async (tx) => {
    const [reader] = await loadReaders(tx, [id]);
    if (reader) {
      const inactive = await findInactiveClaims(tx, reader.person);
      return { kind: 'live', reader, inactive, trail: await loadTrail(tx, id, reader, erasureKey) };
    }
    const contact = await findEndedContact(tx, id);
    return contact && { kind: 'ended', contact, trail: await loadTrail(tx, id, null, erasureKey) };
  });

/** Merges and audit entries on a page. */
export const SHOWN = 20;

async function loadTrail(tx: Queries, id: string, reader: Reader | null, erasureKey: string | null): Promise<Trail> {
  const found = await listMergesOf(tx, id, SHOWN + 1);
  const merges = found.slice(0, SHOWN);
  const { addresses = [], uid = null } = reader?.person ?? {};
  const about = { addresses, uids: uid === null ? [] : [uid], ids: [id, ...merges.map((merge) => merge.id)] };
  return {
    merges,
    hasMoreMerges: found.length > SHOWN,
    waiting: await findWaiting(
      tx,
      id,
      merges.map((merge) => merge.id),
    ),
    entries: await findInAudit(tx, wordsAbout(about, erasureKey), SHOWN),
  };
}
