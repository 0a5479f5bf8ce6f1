/** Which of two basket tokens stays when two contacts become one. */
import type { Token } from '../identity/contact-index';

/**
 * `address`: the token of the record that held the account's primary address, because mail at that address carries it
 * and the other mailbox may be lost. `account`: always the survivor's.
 */
export type TokenPolicy = 'address' | 'account';

export type TokenReason = 'held_primary_address' | 'survivor' | 'only_token';

export interface TokenDecision {
  policy: TokenPolicy;
  reason: TokenReason;
  keep: 'survivor' | 'retired';
}

/**
 * Decides which side's token stays. A side without a token, or with one that nobody can have seen yet, never wins over
 * one that readers have: a new token is not minted where one exists.
 */
export function decideToken(
  policy: TokenPolicy,
  survivor: Token | null,
  retired: Token | null,
  primaryHeldBy: 'survivor' | 'retired' | 'neither',
): TokenDecision {
  if (!isSeen(survivor) || !isSeen(retired)) {
    return { policy, reason: 'only_token', keep: isSeen(retired) || !survivor ? 'retired' : 'survivor' };
  }
  if (policy === 'account' || primaryHeldBy === 'neither') return { policy, reason: 'survivor', keep: 'survivor' };
  return { policy, reason: 'held_primary_address', keep: primaryHeldBy };
}

const isSeen = (token: Token | null): boolean => token !== null && token.storedWith !== null;
