import type { Changes } from '../contacts/changes';
import { decide } from '../contacts/decide';
import { type Explanation, explainMerge } from '../contacts/explain';
import type { MergePlan } from '../contacts/merge';
import { concernedBy, noticesOf } from '../contacts/notice';
import type { TokenPolicy } from '../contacts/tokens';
import { notificationOf } from '../events/notification';
import { type Database, inTransaction, type Transaction } from '../store/database';
import { ids } from '../store/ids';
import { loadChoices } from '../store/load-choices';
import { loadState, ReachGrew, type Step } from '../store/load-state';
import { loadUndone } from '../store/load-undone';
import { addToOutbox } from '../store/outbox';
import { saveChanges } from '../store/save-changes';
import { saveMerges } from '../store/save-merges';

export interface Applied extends Pick<Changes, 'unknownTokens' | 'uncounted' | 'undone' | 'refusal'> {
  merges: (MergePlan & { explanation: Explanation })[];
}

export interface ApplyOptions {
  tokenPolicy: TokenPolicy;
  /** Of this account, claims that would take an address from a contact are held. */
  observes(uid: string): boolean;
  /** Decide, tell, and change nothing: what `preview` and `--dry-run` show is what would be done. */
  dryRun?: boolean;
}

/** So often may others widen what a batch reaches between its look and its locks. Each time needs such a coincidence. */
const LOOKS = 10;

/**
 * Events (and commands), as facts and all that follows from them, in one transaction: lock and load, decide, save, and
 * the notices into the outbox. Either all of it is committed or nothing. The number of statements does not depend on the
 * number of events.
 */
export async function applyBatch(db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Applied> {
  for (let look = 1; ; look++) {
    try {
      return await inTransaction(db, (tx) => apply(tx, steps, options));
    } catch (error) {
      if (error instanceof RolledBack) return error.applied;
      if (!(error instanceof ReachGrew) || look === LOOKS) throw error;
    }
  }
}

/** Not an error: ends a transaction that was only looked at. */
class RolledBack extends Error {
  constructor(readonly applied: Applied) {
    super();
  }
}

async function apply(
  tx: Transaction,
  steps: readonly Step[],
  { tokenPolicy, observes, dryRun = false }: ApplyOptions,
): Promise<Applied> {
  const { facts, directory, ...state } = await loadState(tx, steps, ids);
  const changes = decide({ facts, directory, ...state }, steps, { tokenPolicy, observes, mergeId: ids.merge });
  const { unknownTokens, uncounted, undone, refusal } = changes;
  if (refusal) throw new RolledBack({ merges: [], unknownTokens, uncounted, undone, refusal });
  await saveChanges(tx, changes, facts);
  const concerned = concernedBy(changes, directory, facts);
  if (concerned.addresses.length + concerned.uids.length > 0) {
    for (const choice of await loadChoices(tx, concerned)) facts.learnChoice(choice);
    for (const merge of await loadUndone(tx, concerned.uids)) facts.learnUndone(merge);
  }
  const merges = changes.merges.map((plan) => ({ ...plan, explanation: explainMerge(plan, facts) }));
  await saveMerges(tx, merges);
  const now = Date.now();
  await addToOutbox(
    tx,
    noticesOf(changes, directory, facts).map((notice) => notificationOf(notice, now, ids.merge)),
  );
  const applied = { merges, unknownTokens, uncounted, undone, refusal };
  if (dryRun) throw new RolledBack(applied);
  return applied;
}
