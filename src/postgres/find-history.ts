import { type Database, inSnapshot } from './database';

/** One merge as readers of a contact's history see it. */
export interface HistoryEntry {
  id: string;
  mergedAt: Date;
  reason: string;
  survivorId: string;
  retiredId: string;
  addresses: string[];
  trigger: { source: string; event: string; at: Date };
  token: { policy: string; reason: string };
  undoneAt: Date | null;
}

/**
 * The merges that led to a live contact, at any depth, and those that retired it until they were undone; oldest first.
 * Null for an id that is no live contact's.
 */
export async function findHistory(db: Database, id: string): Promise<HistoryEntry[] | null> {
  const rows = await inSnapshot(db, async (tx) => {
    if (!(await tx.contact.findFirst({ where: { id, state: 'live' }, select: { id: true } }))) return null;
    return tx.merge.findMany({
      where: { OR: [{ survivorId: id }, { survivor: { mergedInto: id } }, { retiredId: id }] },
      orderBy: { seq: 'asc' },
    });
  });
  if (!rows) return null;
  return rows.map((row) => ({
    id: row.id,
    mergedAt: row.mergedAt,
    reason: row.reason,
    survivorId: row.survivorId,
    retiredId: row.retiredId,
    addresses: row.addresses,
    trigger: { source: row.triggerSource, event: row.triggerEvent, at: row.triggerAt },
    token: { policy: row.tokenPolicy, reason: row.tokenReason },
    undoneAt: row.undoneAt,
  }));
}
