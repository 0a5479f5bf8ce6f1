import type { ChangeSet, WorkingSet } from '../contacts/change-recorder';
import { decide } from '../contacts/decide';
import type { ContactEvent } from '../contacts/facts/event';
import { beforeAndAfter } from '../contacts/merge/before-and-after';
import { type Explanation, explainMerge } from '../contacts/merge/explain';
import type { MergePlan } from '../contacts/merge/merge';
import { componentOf, notificationsOf } from '../contacts/merge/notification';
import type { TokenPolicy } from '../contacts/merge/token-policy';
import { toMessage } from '../messages/outgoing/notification-message';
import type { Stopwatch } from '../observability/stopwatch';
import { type Database, inTransaction, type Transaction } from '../postgres/database';
import { StaleReadError } from '../postgres/find-component';
import { ids } from '../postgres/ids';
import { isEvent, lockAndLoad, type Step } from '../postgres/lock-and-load';
import { saveChanges } from '../postgres/save-changes';
import { findErased } from '../postgres/tables/find-erased';
import { loadChoices } from '../postgres/tables/load-choices';
import { insertMerges, loadUndone } from '../postgres/tables/merge';
import { addToOutbox } from '../postgres/tables/outbox';

export interface Applied extends Omit<ChangeSet, 'merges' | 'refusal'> {
  merges: (MergePlan & { explanation: Explanation })[];
  refusal: ChangeSet['refusal'] | 'already_undone';
  /** Events that were dropped, by their index: they name somebody who was erased, and are older than that. */
  erased: number[];
  /** Where everything hung before. */
  before: Pick<WorkingSet, 'rows' | 'fresh'>;
}

export interface ApplyOptions {
  tokenPolicy: TokenPolicy;
  /** Of this account, claims that would take an address from a contact are held. */
  observes(uid: string): boolean;
  /** Key of the hashes of erased people. Without it nobody is known to be erased. */
  erasureKey?: string | null;
  /** For a try that is not to wait long for rows that others hold. */
  lockTimeoutMs?: number;
  /** False: nothing goes to the outbox, and merges are in the ledger as not announced. */
  announce?: boolean;
  /** Decide, tell, and change nothing: what `preview` and `--dry-run` show is what would be done. */
  dryRun?: boolean;
  /** Told of the stages, each as it ends. */
  stopwatch?: Stopwatch;
}

/** So often may others widen what a batch reaches between its look and its locks. Each time needs such a coincidence. */
const LOOKS = 10;

/**
 * Events (and commands), as facts and all that follows from them, in one transaction: lock and load, decide, save, and
 * the notifications into the outbox. Either all of it is committed or nothing. The number of statements does not depend on the
 * number of events.
 */
export async function applyBatch(db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Applied> {
  const erased = new Set<Step>();
  for (let look = 1; ; look++) {
    const places = [...steps.keys()].filter((place) => !erased.has(steps[place] as Step));
    try {
      const left = places.map((place) => steps[place] as Step);
      const applied = await attempt(db, left, options);
      return {
        ...applied,
        unknownTokens: applied.unknownTokens.map((index) => places[index] as number),
        erased: [...steps.keys()].filter((place) => erased.has(steps[place] as Step)),
      };
    } catch (error) {
      if (error instanceof NamesErased) for (const event of error.events) erased.add(event);
      else if (!(error instanceof StaleReadError) || look >= LOOKS) throw error;
    }
  }
}

type Attempted = Omit<Applied, 'erased'>;

async function attempt(db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Attempted> {
  options.stopwatch?.restart();
  try {
    const applied = await inTransaction(db, (tx) => apply(tx, steps, options), options.lockTimeoutMs);
    options.stopwatch?.lap('commit');
    return applied;
  } catch (error) {
    if (error instanceof RolledBack) return error.applied;
    throw error;
  }
}

/** Not an error: ends a transaction that was only looked at. */
class RolledBack extends Error {
  constructor(readonly applied: Attempted) {
    super();
  }
}

/** Ends a transaction that has inserted rows for people who were erased: it is done again without these events. */
class NamesErased extends Error {
  constructor(readonly events: readonly ContactEvent[]) {
    super();
  }
}

async function apply(
  tx: Transaction,
  steps: readonly Step[],
  { tokenPolicy, observes, erasureKey, announce = true, dryRun = false, stopwatch }: ApplyOptions,
): Promise<Attempted> {
  stopwatch?.lap('begin');
  const { facts, contactIndex, steps: known, alreadyUndone, ...before } = await lockAndLoad(tx, steps, ids);
  if (erasureKey) {
    const erased = await findErased(tx, steps.filter(isEvent), erasureKey);
    if (erased.length > 0) throw new NamesErased(erased);
  }
  stopwatch?.lap('load');
  const changes = decide({ facts, contactIndex, ...before }, known, { tokenPolicy, observes, mergeId: ids.merge });
  stopwatch?.lap('decide');
  const refusal = alreadyUndone ? 'already_undone' : changes.refusal;
  if (refusal) throw new RolledBack({ ...changes, merges: [], refusal, before });
  await saveChanges(tx, changes, facts);
  const concerned = componentOf(changes, contactIndex, facts);
  if (concerned.addresses.length + concerned.uids.length > 0) {
    for (const choice of await loadChoices(tx, concerned)) facts.addChoice(choice);
    for (const merge of await loadUndone(tx, concerned.uids)) facts.addUndone(merge);
  }
  const plans = announce ? changes.merges : changes.merges.map((plan) => ({ ...plan, announced: false }));
  const sides = plans.map((plan) => beforeAndAfter(plan, contactIndex, facts));
  const merges = sides.map((merge) => ({ ...merge.plan, explanation: explainMerge(merge, facts) }));
  await insertMerges(tx, merges);
  if (announce) {
    const now = Date.now();
    const notifications = notificationsOf(changes, sides, contactIndex, facts);
    await addToOutbox(
      tx,
      notifications.map((notification) => toMessage(notification, now, ids.merge)),
    );
  }
  const applied = { ...changes, merges, refusal, before };
  if (dryRun) throw new RolledBack(applied);
  stopwatch?.lap('save');
  return applied;
}
