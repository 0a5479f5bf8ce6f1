/**
 * The merge handler: two stored contacts turn out to be one person. The plan is made first, as a value that can be
 * shown; carrying it out applies exactly that plan.
 */

import type { Time, Trigger } from '../facts/event';
import type { Contact, ContactIndex } from '../identity/contact-index';
import { decideToken, type TokenDecision, type TokenPolicy } from './token-policy';

export type MergeReason =
  /** An account's claim reached an address that stood alone: CTMS issue 1017. */
  | 'claim'
  /** The address was a deleted account's, and passed to the account made anew: GSA FAC decision record 33. */
  | 'recreated'
  /** A deletion, arriving late, showed that the address had passed before. */
  | 'deletion';

export interface MergeCause {
  reason: MergeReason;
  trigger: Trigger;
  at: Time;
  /** The account whose contact survives. */
  uid: string;
  /** The account of the contact that is retired; null when it had none. */
  claimant: string | null;
  /** The addresses that went over in this event. */
  addresses: string[];
  /** The side whose record held the account's primary address. */
  primaryHeldBy: 'survivor' | 'retired' | 'neither';
}

export interface MergePlan extends MergeCause {
  id: string;
  survivorId: string;
  retiredId: string;
  token: TokenDecision;
  tokenKept: string | null;
  tokenRetired: string | null;
  /** The retired contact had been committed before: somebody may have its id or token. */
  announced: boolean;
}

/** A merge as the ledger has it: what undoing it takes. */
export interface MergeRecord {
  id: string;
  uid: string;
  claimant: string | null;
  survivorId: string;
  retiredId: string;
  addresses: readonly string[];
  /** The event time of what triggered it. */
  at: Time;
  /** The side whose token stayed, and both tokens; null for a side that had none. */
  tokenSide: 'survivor' | 'retired';
  tokenKept: string | null;
  tokenRetired: string | null;
  announced: boolean;
}

export function planMerge(
  id: string,
  survivor: Contact,
  retired: Contact,
  cause: MergeCause,
  policy: TokenPolicy,
): MergePlan {
  const token = decideToken(policy, survivor.token, retired.token, cause.primaryHeldBy);
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

/** Carries a plan out: the survivor's id stays, one token stays, everything that led to the retired side ends there. */
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
