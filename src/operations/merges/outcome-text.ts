/** What became, or would become, of an account's claim on an address. */

import type { ClaimOutcome } from '../../ingest/claim-outcome';
import type { Applied } from '../../ingest/transaction';
import { explanationBody, mergeBody, mergeText } from './merge-text';

/** After a dry run: whether a contact was made in it, so that its id is nobody's. */
export const provisionalIn =
  ({ contacts }: Applied) =>
  (id: string): boolean =>
    contacts.created.some((contact) => contact.id === id);

/** @param isProvisional of contacts whose id is not shown, but null */
export function outcomeBody(result: ClaimOutcome, isProvisional: (contactId: string) => boolean) {
  const known = (id: string): string | null => (isProvisional(id) ? null : id);
  switch (result.outcome) {
    case 'merged': {
      const { explanation, ...merge } = result.merge;
      return { outcome: result.outcome, merge: { ...mergeBody(merge), explanation: explanationBody(explanation) } };
    }
    case 'moved': {
      const { outcome, from, to, closed, leaves } = result;
      return { outcome, from_contact: from, to_contact: known(to), closes: closed, leaves_without_address: leaves };
    }
    case 'added':
      return { outcome: result.outcome, to_contact: known(result.to) };
    default:
      return result;
  }
}

/** In the present tense: it is said of what happens and of what would. */
export function outcomeText(result: ClaimOutcome, isProvisional: (contactId: string) => boolean): string[] {
  const named = (id: string): string => (isProvisional(id) ? 'a new contact' : `contact ${id}`);
  switch (result.outcome) {
    case 'merged':
      return ['Merge: two contacts turn out to be one person.', ...mergeText(result.merge)];
    case 'moved':
      return [
        `Move: the address goes from contact ${result.from} to ${named(result.to)}. Nothing is merged: it was another person's.`,
        ...(result.closed
          ? ['The contact that it leaves has nothing left: it is closed for good, with its token.']
          : []),
        ...(result.leaves ? [`Account ${result.leaves} is left without an address, and is listed for review.`] : []),
      ];
    case 'joined':
      return [`Join: the account, which has no contact yet, joins contact ${result.contact}. Its id and token stay.`];
    case 'added':
      return [`Add: nobody has the address; it goes to ${named(result.to)}.`];
    case 'kept':
      return [`Nothing: the address is on the account's contact ${result.contact} already.`];
    case 'not_taken':
      return ['Nothing: the claim does not win. Another account has a later one, or this account is deleted.'];
    case 'held':
      return ['Held: claims of this account wait for a decision (MERGE_MODE, MERGE_PERCENT).'];
    case 'blocked':
      return ['Blocked: a merge was undone. `onecontact merges unblock` lets the claims count again.'];
  }
}
