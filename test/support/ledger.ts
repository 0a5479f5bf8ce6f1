/** Merges as the ledger has them, for tests that undo one. */
import type { UndoRequest } from '../../src/contacts/merge/command';
import type { Database } from '../../src/postgres/database';
import { recordOf, type StoredMerge, storedMergeOf } from '../../src/postgres/tables/merge-rows';

/** In the order in which they happened. */
export const ledgerOf = async (db: Database): Promise<StoredMerge[]> =>
  (await db.merge.findMany({ orderBy: { seq: 'asc' } })).map(storedMergeOf);

/** The command that undoes a merge, at a time. */
export const undoOf = (merge: StoredMerge, at: number): UndoRequest => ({ kind: 'undo', at, merge: recordOf(merge) });
