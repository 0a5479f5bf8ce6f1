/** The merge ledger, for tests that undo merges. */
import type { UndoRequest } from '../../src/contacts/merge/command';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import type { Database } from '../../src/postgres/database';
import { listMerges } from '../../src/postgres/tables/merge';

/** All merges, in the order in which they happened. */
export const ledgerOf = async (db: Database): Promise<StoredMerge[]> =>
  (await listMerges(db, { limit: 1_000_000 })).reverse();

/** The command that undoes a merge at a time. */
export const undoOf = (merge: StoredMerge, at: number): UndoRequest => ({ kind: 'undo', at, merge });
