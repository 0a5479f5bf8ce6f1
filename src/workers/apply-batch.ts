import type { Changes, State } from '../contacts/changes';
import { decide } from '../contacts/decide';
import type { ContactEvent } from '../contacts/event';
import { type Explanation, explainMerge } from '../contacts/explain';
import type { MergePlan } from '../contacts/merge';
import { concernedBy, noticesOf } from '../contacts/notice';
import { sidesOf } from '../contacts/sides';
import type { TokenPolicy } from '../contacts/tokens';
import { notificationOf } from '../events/notification';
import { type Database, inTransaction, type Transaction } from '../store/database';
import { findErased } from '../store/erase/find-erased';
import { ReachGrew } from '../store/find-reach';
import { ids } from '../store/ids';
import { loadChoices } from '../store/load-choices';
import { isEvent, loadState, type Step } from '../store/load-state';
import { loadUndone } from '../store/load-undone';
import { addToOutbox } from '../store/outbox';
import { saveChanges } from '../store/save-changes';
import { saveMerges } from '../store/save-merges';
import type { Stopwatch } from './stopwatch';

export interface Applied extends Omit<Changes, 'merges' | 'refusal'> {
  merges: ExplainedMerge[];
  refusal: Changes['refusal'] | 'already_undone';
  /** Events that were dropped, by their index: they name somebody who was erased, and are older than that. */
  erased: number[];
  /** Where everything hung before. */
  before: Pick<State, 'rows' | 'fresh'>;
}

export type ExplainedMerge = MergePlan & { explanation: Explanation };

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
  watch?: Stopwatch;
}

/** So often may others widen what a batch reaches between its look and its locks. Each time needs such a coincidence. */
const LOOKS = 10;

/**
 * Events (and commands), as facts and all that follows from them, in one transaction: lock and load, decide, save, and
 * the notices into the outbox. Either all of it is committed or nothing. The number of statements does not depend on the
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
      else if (!(error instanceof ReachGrew) || look >= LOOKS) throw error;
    }
  }
}

type Attempted = Omit<Applied, 'erased'>;

async function attempt(db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Attempted> {
  options.watch?.restart();
  try {
    const applied = await inTransaction(db, (tx) => apply(tx, steps, options), options.lockTimeoutMs);
    options.watch?.lap('commit');
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
  { tokenPolicy, observes, erasureKey, announce = true, dryRun = false, watch }: ApplyOptions,
): Promise<Attempted> {
  watch?.lap('begin');
  const { facts, directory, steps: known, alreadyUndone, ...before } = await loadState(tx, steps, ids);
  if (erasureKey) {
    const erased = await findErased(tx, steps.filter(isEvent), erasureKey);
    if (erased.length > 0) throw new NamesErased(erased);
  }
  watch?.lap('load');
  const changes = decide({ facts, directory, ...before }, known, { tokenPolicy, observes, mergeId: ids.merge });
  watch?.lap('decide');
  const refusal = alreadyUndone ? 'already_undone' : changes.refusal;
  if (refusal) throw new RolledBack({ ...changes, merges: [], refusal, before });
  await saveChanges(tx, changes, facts);
  const concerned = concernedBy(changes, directory, facts);
  if (concerned.addresses.length + concerned.uids.length > 0) {
    for (const choice of await loadChoices(tx, concerned)) facts.learnChoice(choice);
    for (const merge of await loadUndone(tx, concerned.uids)) facts.learnUndone(merge);
  }
  const plans = announce ? changes.merges : changes.merges.map((plan) => ({ ...plan, announced: false }));
  const sides = plans.map((plan) => sidesOf(plan, directory, facts));
  const merges = sides.map((merge) => ({ ...merge.plan, explanation: explainMerge(merge, facts) }));
  await saveMerges(tx, merges);
  if (announce) {
    const now = Date.now();
    const notices = noticesOf(changes, sides, directory, facts);
    await addToOutbox(
      tx,
      notices.map((notice) => notificationOf(notice, now, ids.merge)),
    );
  }
  const applied = { ...changes, merges, refusal, before };
  if (dryRun) throw new RolledBack(applied);
  watch?.lap('save');
  return applied;
}
