/** Decides which of two basket tokens stays when two contacts become one. */
import type { Token } from '../identity/contact-index';

export const SIDES = ['survivor', 'retired'] as const;
/** One of the two contacts of a merge. */
export type Side = (typeof SIDES)[number];

/**
 * `address`: the token of the record that held the account's primary address stays, because mail at that address carries
 * it and the other mailbox may be lost. `account`: the survivor's token always stays.
 */
export type TokenPolicy = 'address' | 'account';

export type TokenReason = 'held_primary_address' | 'survivor' | 'only_token';

export interface TokenDecision {
  policy: TokenPolicy;
  reason: TokenReason;
  keep: Side;
}

/**
 * A known token beats a new one: a side without a token, or with one issued in the same batch, loses, so that readers
 * never get a new token where one exists.
 */
export function decideToken(
  policy: TokenPolicy,
  survivor: Token | null,
  retired: Token | null,
  primaryHeldBy: Side | 'neither',
): TokenDecision {
  if (!isKnown(survivor) || !isKnown(retired)) {
    return { policy, reason: 'only_token', keep: isKnown(retired) || !survivor ? 'retired' : 'survivor' };
  }
  if (policy === 'account' || primaryHeldBy === 'neither') return { policy, reason: 'survivor', keep: 'survivor' };
  return { policy, reason: 'held_primary_address', keep: primaryHeldBy };
}

const isKnown = (token: Token | null): boolean => token !== null && token.storedWith !== null;
