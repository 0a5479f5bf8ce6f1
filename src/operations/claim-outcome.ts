/** The result of an account's claim on an address, and how `merges` and `collisions` show it. */
import type { ExplainedMerge } from '../contacts/merge/explain';
import type { Applied } from '../ingest/apply/transaction';
import { explainedMergeBody } from '../messages/outgoing/merge-body';
import { mergeText } from './merge-text';
import { wrap } from './render';

export type ClaimOutcome =
  /** The contact that had the address is merged into the account's. */
  | { outcome: 'merged'; merge: ExplainedMerge }
  /**
   * The address left another contact, which stays, or is closed when it belonged to a different person and has nothing
   * left. `to` is null for a contact made by a dry run; `leaves` is the live account left without an address.
   */
  | { outcome: 'moved'; from: string; to: string | null; closed: boolean; leaves: string | null }
  /** The account had no contact and joined the contact that had only this address. */
  | { outcome: 'joined'; contact: string }
  /** No contact had the address. `to` is null for a contact made by a dry run. */
  | { outcome: 'added'; to: string | null }
  /** The account's contact had the address before. */
  | { outcome: 'kept'; contact: string }
  /** Another account has a later claim, or this account is deleted. */
  | { outcome: 'not_taken' }
  /** The claim awaits a decision (observe mode). */
  | { outcome: 'held' }
  /** The claim does not count since a merge was undone. */
  | { outcome: 'blocked' };

/**
 * @param applied a batch with a new, released or unblocked claim of this account on this address. If the claim is an
 *   event, it must be alone in its batch.
 * @param dryRun whether the batch was rolled back: then the ids of the contacts that it made do not exist
 */
export function outcomeOf(applied: Applied, uid: string, address: string, dryRun: boolean): ClaimOutcome {
  const { merges, inactiveClaims, before, reviews, contacts } = applied;
  const merge = merges.find((plan) => plan.uid === uid && plan.addresses.includes(address));
  if (merge) return { outcome: 'merged', merge };
  if (inactiveClaims.held > 0) return { outcome: 'held' };
  if (inactiveClaims.blocked > 0) return { outcome: 'blocked' };

  const { rows, fresh } = before;
  const changed = applied.addresses.find(({ facts }) => facts.address === address);
  const now = changed?.contactId ?? rows.address.get(address);
  const own = applied.accounts.find((account) => account.uid === uid)?.contactId ?? rows.account.get(uid);
  if (!now || now !== own) return { outcome: 'not_taken' };
  const from = fresh.address.has(address) ? undefined : rows.address.get(address);
  const to = dryRun && contacts.created.some(({ id }) => id === now) ? null : now;
  if (!from) return { outcome: 'added', to };
  const hadContact = !fresh.account.has(uid) && rows.account.get(uid);
  if (from === now) return { outcome: hadContact ? 'kept' : 'joined', contact: now };
  const closed = contacts.changed.some(({ id, state }) => id === from && state === 'closed');
  const left = reviews.find(({ former }) => former === address);
  return { outcome: 'moved', from, to, closed, leaves: left?.uid ?? null };
}

export function outcomeBody(result: ClaimOutcome) {
  const { outcome } = result;
  switch (outcome) {
    case 'merged':
      return { outcome, merge: explainedMergeBody(result.merge) };
    case 'moved': {
      const { from, to, closed, leaves } = result;
      return { outcome, from_contact: from, to_contact: to, closes: closed, leaves_without_address: leaves };
    }
    case 'added':
      return { outcome, to_contact: result.to };
    default:
      return result;
  }
}

/** In the present tense, because it describes both what happens and what would happen. */
export function outcomeText(result: ClaimOutcome, columns: number): string[] {
  if (result.outcome === 'merged') {
    return ['Merge: the two contacts are one person.', ...mergeText(result.merge, columns)];
  }
  const hint = HINTS[result.outcome] ?? [];
  return [...outcomeSentences(result), ...hint].flatMap((sentence) => wrap(sentence, columns));
}

/** What an operator of commands can do about it. */
const HINTS: { [outcome in ClaimOutcome['outcome']]?: string[] } = {
  blocked: ['`onecontact merges unblock` lets the claims count again.'],
};

/** For every outcome but a merge, which {@link mergeText} explains. */
export function outcomeSentences(result: Exclude<ClaimOutcome, { outcome: 'merged' }>): string[] {
  const named = (id: string | null): string => (id === null ? 'a new contact' : `contact ${id}`);
  switch (result.outcome) {
    case 'moved':
      return [
        `Move: the address goes from contact ${result.from} to ${named(result.to)}. Nothing is merged, because the two are different people.`,
        ...(result.closed
          ? ['The contact that it leaves has nothing left, and is closed for good with its token.']
          : []),
        ...(result.leaves ? [`Account ${result.leaves} is left without an address, and is listed for review.`] : []),
      ];
    case 'joined':
      return [`Join: the account, which has no contact yet, joins contact ${result.contact}. Its id and token stay.`];
    case 'added':
      return [`Add: no contact has the address. It goes to ${named(result.to)}.`];
    case 'kept':
      return [`Nothing changes: the account's contact ${result.contact} has the address already.`];
    case 'not_taken':
      return ['Nothing changes: another account has a later claim, or this account is deleted.'];
    case 'held':
      return ['Held: claims of this account wait for a decision (MERGE_MODE, MERGE_PERCENT).'];
    case 'blocked':
      return ['Blocked: a merge was undone, and since then these claims do not count.'];
  }
}
