import { decide } from '../contacts/decide';
import type { ContactEvent } from '../contacts/event';
import type { MergePlan } from '../contacts/merge';
import { concerned, noticesOf } from '../contacts/notice';
import type { TokenPolicy } from '../contacts/tokens';
import { contactMerged } from '../events/contact-merged';
import { type Database, inTransaction, type Transaction } from '../store/database';
import { ids } from '../store/ids';
import { loadChoices } from '../store/load-choices';
import { loadState, ReachGrew } from '../store/load-state';
import { addToOutbox } from '../store/outbox';
import { saveChanges } from '../store/save-changes';

export interface Applied {
  merges: MergePlan[];
  /** Indexes of events that no contact could be found for, by their token. */
  unknownTokens: number[];
}

export interface ApplyOptions {
  tokenPolicy: TokenPolicy;
}

/** So often may others widen what a batch reaches between its look and its locks. Each time needs such a coincidence. */
const LOOKS = 10;

/**
 * Events, as facts and all that follows from them, in one transaction: lock and load, decide, save, and the notices of
 * merges into the outbox. Either all of it is committed or nothing. The number of statements does not depend on the
 * number of events.
 */
export async function applyBatch(
  db: Database,
  events: readonly ContactEvent[],
  options: ApplyOptions,
): Promise<Applied> {
  for (let look = 1; ; look++) {
    try {
      return await inTransaction(db, (tx) => apply(tx, events, options));
    } catch (error) {
      if (!(error instanceof ReachGrew) || look === LOOKS) throw error;
    }
  }
}

async function apply(
  tx: Transaction,
  events: readonly ContactEvent[],
  { tokenPolicy }: ApplyOptions,
): Promise<Applied> {
  const state = await loadState(tx, events, ids);
  const changes = decide(state, events, { tokenPolicy, mergeId: ids.merge });
  await saveChanges(tx, changes, state.facts);
  if (changes.merges.some((plan) => plan.announced)) {
    for (const choice of await loadChoices(tx, concerned(changes.merges, state.facts))) state.facts.learnChoice(choice);
    const now = Date.now();
    const messages = noticesOf(changes.merges, state.directory, state.facts).map((notice) => ({
      messageId: notice.plan.id,
      contactId: notice.survivor.id,
      type: 'contact.merged',
      body: contactMerged(notice, now),
    }));
    await addToOutbox(tx, messages);
  }
  return { merges: changes.merges, unknownTokens: changes.unknownTokens };
}
