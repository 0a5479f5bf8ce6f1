import type { Applied, ExplainedMerge } from './transaction';

/** What a claim came to: one that was made, or that counts again because it was released or unblocked. */
export type ClaimOutcome =
  /** The contact that had the address is merged into the account's. */
  | { outcome: 'merged'; merge: ExplainedMerge }
  /**
   * The address went from another contact, which stays, or is closed when it was another person's and is left with
   * nothing. `leaves` is the live account that is left without an address.
   */
  | { outcome: 'moved'; from: string; to: string; closed: boolean; leaves: string | null }
  /** The account, which had no contact, is on the contact that had the address alone. */
  | { outcome: 'joined'; contact: string }
  /** Nobody had the address. */
  | { outcome: 'added'; to: string }
  /** The account had the address before. */
  | { outcome: 'kept'; contact: string }
  /** Somebody else has the address: by a later claim, or because the account is deleted. */
  | { outcome: 'not_taken' }
  /** It waits for a decision (observe mode). */
  | { outcome: 'held' }
  /** It does not count, since a merge was undone. */
  | { outcome: 'blocked' };

/** What became of an account's claim on an address. For events: of a batch of one. */
export function outcomeOf(applied: Applied, uid: string, address: string): ClaimOutcome {
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
  if (!from) return { outcome: 'added', to: now };
  const hadContact = !fresh.account.has(uid) && rows.account.get(uid);
  if (from === now) return { outcome: hadContact ? 'kept' : 'joined', contact: now };
  const closed = contacts.changed.some(({ id, state }) => id === from && state === 'closed');
  const left = reviews.find(({ former }) => former === address);
  return { outcome: 'moved', from, to: now, closed, leaves: left?.uid ?? null };
}
