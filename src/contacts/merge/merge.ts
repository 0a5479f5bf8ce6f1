/**
 * The merge handler. `planMerge` decides what merging two contacts does and returns it as a value that can be shown;
 * `executeMerge` applies exactly that plan.
 */
import type { Time, Trigger } from '../facts/event';
import type { Contact, ContactIndex } from '../identity/contact-index';
import { decideToken, type Side, type TokenDecision, type TokenPolicy } from './token-policy';

export type MergeReason =
  /** An account's claim reached a lone address (CTMS issue 1017). */
  | 'claim'
  /** The account inherits the address from a deleted account (GSA FAC decision record 33). */
  | 'recreated'
  /** A deletion arrived late and showed that the account had inherited the address. */
  | 'deletion';

export interface MergeCause {
  reason: MergeReason;
  trigger: Trigger;
  /** The event time of the trigger. */
  at: Time;
  /** The account whose contact survives. */
  uid: string;
  /** The account of the retired contact; null when it had none. */
  claimant: string | null;
  /** The addresses that the survivor takes over. */
  addresses: string[];
}

/** What is decided about a merge. The ledger stores it unchanged. */
export interface MergePlan extends MergeCause {
  id: string;
  survivorId: string;
  retiredId: string;
  token: TokenDecision;
  /** Both tokens; null where a side had none. */
  tokenKept: string | null;
  tokenRetired: string | null;
  /** The retired contact was committed by an earlier batch, so readers may know its id or token. */
  announced: boolean;
}

/** A merge in the ledger. */
export interface StoredMerge extends MergePlan {
  /** Rises with each merge of one contact. Between different contacts it only roughly follows the order of time. */
  seq: bigint;
  mergedAt: Date;
  undoneAt: Date | null;
}

/** @param primaryHeldBy the side whose record held the account's primary address */
export function planMerge(
  id: string,
  survivor: Contact,
  retired: Contact,
  cause: MergeCause,
  policy: TokenPolicy,
  primaryHeldBy: Side | 'neither',
): MergePlan {
  const token = decideToken(policy, survivor.token, retired.token, primaryHeldBy);
  const [kept, lost] = token.keep === 'survivor' ? [survivor.token, retired.token] : [retired.token, survivor.token];
  return {
    ...cause,
    id,
    survivorId: survivor.id,
    retiredId: retired.id,
    token,
    tokenKept: kept?.id ?? null,
    tokenRetired: lost?.storedWith ? lost.id : null,
    announced: retired.known,
  };
}

export function executeMerge(contactIndex: ContactIndex, plan: MergePlan): void {
  const survivor = contactIndex.contacts.get(plan.survivorId) as Contact;
  const retired = contactIndex.contacts.get(plan.retiredId) as Contact;
  if (plan.token.keep === 'retired') {
    contactIndex.retireToken(survivor, plan.id);
    survivor.token = retired.token;
    retired.token = null;
  } else {
    contactIndex.retireToken(retired, plan.id);
  }
  contactIndex.retire(retired, survivor);
}
