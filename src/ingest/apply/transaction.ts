import type { ChangeSet, WorkingSet } from '../../contacts/change-recorder';
import { decide } from '../../contacts/decide';
import { beforeAndAfter } from '../../contacts/merge/before-and-after';
import { type Explanation, explainMerge } from '../../contacts/merge/explain';
import type { MergePlan } from '../../contacts/merge/merge';
import { componentOf, type Notification, notificationsOf } from '../../contacts/merge/notification';
import type { TokenPolicy } from '../../contacts/merge/token-policy';
import { retry } from '../../foundation/retry';
import { toMessage } from '../../messages/outgoing/notification-message';
import type { Blocking } from '../../observability/blocking';
import type { Stopwatch } from '../../observability/stopwatch';
import { lookAlone, StaleReadError } from '../../postgres/batch/find-component';
import { loadConsent } from '../../postgres/batch/load-facts';
import { saveChanges } from '../../postgres/batch/save-changes';
import { type Database, inTransaction, type Transaction } from '../../postgres/database';
import { ids } from '../../postgres/ids';
import { findErased } from '../../postgres/tables/erasure';
import { insertMerges } from '../../postgres/tables/merge';
import { addToOutbox } from '../../postgres/tables/outbox';
import { confirmationsOf, newSignUps } from './confirmations';
import type { LookTurns } from './look-turns';
import { isEvent, lockAndLoadSteps, type Step } from './steps';

export interface Applied extends Omit<ChangeSet, 'merges' | 'refusal'> {
  merges: (MergePlan & { explanation: Explanation })[];
  refusal: ChangeSet['refusal'] | 'already_undone';
  /** How many notifications were added to the outbox. */
  notifications: number;
  /** The indexes of dropped events: they name a person who was erased after them. */
  erased: number[];
  /** The contact of each address and account before the batch. */
  before: Pick<WorkingSet, 'rows' | 'fresh'>;
}

export interface ApplyOptions {
  tokenPolicy: TokenPolicy;
  /** Whether claims of this account that would take an address from a contact are held. */
  observes(uid: string): boolean;
  /**
   * The key of the erasure hashes; null if the process has none. A batch fails if earlier erasures used another key.
   * Undefined only for commands, which apply no late events.
   */
  erasureKey?: string | null;
  /** How long to wait for rows that other transactions have locked. */
  lockTimeoutMs?: number;
  /** Which optional notifications are written, because there is a reader for them. */
  notify?: { changes: boolean; confirmations: boolean };
  /** If false, nothing is added to the outbox, and the ledger records the merges as not announced. */
  announce?: boolean;
  /** Writes more in the same transaction, once everything is saved. Not called if nothing is saved. */
  alsoSave?(tx: Transaction, changes: ChangeSet): Promise<void>;
  /** Returns what would be done, and changes nothing. */
  dryRun?: boolean;
  /** Measures the stages. */
  stopwatch?: Stopwatch;
  /** Watches synchronous work. */
  blocking?: Blocking;
  /** Says which batches look alone from the start; shared by the slots of a worker. */
  lookTurns?: LookTurns;
  /** Called each time that everything is read again, because another transaction changed what was read. */
  onStaleRead?: () => void;
}

/**
 * How often a batch is tried while other transactions keep changing what it may touch. If it fails as often, sign-ups at its
 * new addresses were faster each time; a smaller batch has fewer new addresses.
 */
const ATTEMPTS = 4;
/**
 * After this many attempts other batches have to wait: with many connected accounts, one of them could always be
 * faster.
 */
const SHARED_ATTEMPTS = 2;

/**
 * Applies events and commands with all their consequences in one transaction: lock and load, decide, save, and add the
 * notifications to the outbox. The number of statements does not depend on the number of steps.
 */
export async function applyBatch(db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Applied> {
  const erased = new Set<Step>();
  for (;;) {
    const indexes = [...steps.keys()].filter((index) => !erased.has(steps[index] as Step));
    const remaining = indexes.map((index) => steps[index] as Step);
    let lostLooks = 0;
    const beginsAlone = options.lookTurns?.next() ?? false;
    const attempt = () => {
      const alone = beginsAlone || lostLooks >= SHARED_ATTEMPTS;
      return applyOnce(db, remaining, options, { alone, trusts: !alone && lostLooks === 0 });
    };
    const result = await retry(attempt, {
      attempts: ATTEMPTS,
      when: (error) => {
        if (!(error instanceof StaleReadError)) return false;
        lostLooks += 1;
        options.onStaleRead?.();
        return true;
      },
    });
    if (!beginsAlone) options.lookTurns?.lookedTogether(lostLooks);
    if ('erasedEvents' in result) {
      for (const event of result.erasedEvents) erased.add(event);
      continue;
    }
    return {
      ...result,
      unknownTokens: result.unknownTokens.map((index) => indexes[index] as number),
      notStored: result.notStored.map((index) => indexes[index] as number),
      erased: [...steps.keys()].filter((index) => erased.has(steps[index] as Step)),
    };
  }
}

/**
 * Events that name an erased person. The transaction that found them had inserted rows for them, so it is rolled back.
 */
interface ErasedFound {
  erasedEvents: readonly Step[];
}

type Result = Omit<Applied, 'erased'> | ErasedFound;

interface LookOptions {
  /** Whether other transactions that look before they lock have to wait for this one. */
  alone: boolean;
  /** See {@link lockAndLoadSteps}. */
  trusts: boolean;
}

async function applyOnce(
  db: Database,
  steps: readonly Step[],
  options: ApplyOptions,
  { alone, trusts }: LookOptions,
): Promise<Result> {
  const { lockTimeoutMs, dryRun, stopwatch } = options;
  stopwatch?.restart();
  const work = async (tx: Transaction, rollBack: () => void): Promise<Result> => {
    if (alone) await lookAlone(tx);
    return apply(tx, steps, options, rollBack, trusts);
  };
  const result = await inTransaction(db, work, { lockTimeoutMs, dryRun });
  if (!('erasedEvents' in result)) stopwatch?.lap('commit');
  return result;
}

const unwatched: Blocking = (_what, _sizes, work) => work();

async function apply(
  tx: Transaction,
  given: readonly Step[],
  {
    tokenPolicy,
    observes,
    erasureKey,
    announce = true,
    notify,
    alsoSave,
    stopwatch,
    blocking = unwatched,
  }: ApplyOptions,
  rollBack: () => void,
  trusts: boolean,
): Promise<Result> {
  stopwatch?.lap('begin');
  const { state, steps, alreadyUndone } = await lockAndLoadSteps(tx, given, erasureKey, { trusts });
  const erasedEvents = erasureKey ? await findErased(tx, given.filter(isEvent), erasureKey) : [];
  if (erasedEvents.length > 0) {
    rollBack();
    return { erasedEvents };
  }
  stopwatch?.lap('load');
  const { facts, contactIndex, ...before } = state;
  const sizes = () => ({ events: given.length, ...facts.sizes });
  const notesSignUps = announce && notify?.confirmations;
  const changes = blocking('decide', sizes, () =>
    decide(state, steps, { tokenPolicy, observes, mergeId: ids.merge, notesSignUps }),
  );
  stopwatch?.lap('decide');
  const refusal = alreadyUndone ? 'already_undone' : changes.refusal;
  if (refusal) {
    rollBack();
    return { ...changes, merges: [], refusal, before, notifications: 0 };
  }
  const signUps = await newSignUps(tx, changes.signUps, state.fresh);
  const raised = await saveChanges(tx, changes, facts, { reports: announce && notify?.changes === true });
  const component = componentOf(changes, contactIndex, facts);
  if (component.addresses.length + component.uids.length > 0) await loadConsent(tx, component, facts);
  const plans = announce ? changes.merges : changes.merges.map((plan) => ({ ...plan, announced: false }));
  const snapshots = blocking('compare', sizes, () => plans.map((plan) => beforeAndAfter(plan, contactIndex, facts)));
  const merges = blocking('explain', sizes, () =>
    snapshots.map((snapshot) => ({ ...snapshot.plan, explanation: explainMerge(snapshot, facts) })),
  );
  await insertMerges(tx, merges);
  let notifications = 0;
  if (announce) {
    const now = Date.now();
    const confirmations = await confirmationsOf(tx, signUps, changes, state);
    const messages = blocking('announce', sizes, () =>
      [...notificationsOf(changes, snapshots, contactIndex, facts), ...confirmations].map((it: Notification) =>
        toMessage(it, now, ids.merge),
      ),
    );
    await addToOutbox(tx, messages, raised);
    notifications = messages.length + raised.length;
  }
  await alsoSave?.(tx, changes);
  stopwatch?.lap('save');
  return { ...changes, merges, refusal, before, notifications };
}
