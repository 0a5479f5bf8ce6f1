/** Which accounts' views can differ after a change of ownership. */
import type { Facts } from '../facts/facts';
import { addressesClaimedBy, isLive, isSamePeriod, type OwnershipPeriod, periodsOf } from './ownership';

/** The accounts named in the periods of an address that are different now. */
export function affectedAccounts(before: readonly OwnershipPeriod[], after: readonly OwnershipPeriod[]): Set<string> {
  const shorter = Math.min(before.length, after.length);
  const same = (i: number, j: number): boolean =>
    isSamePeriod(before[i] as OwnershipPeriod, after[j] as OwnershipPeriod);
  let start = 0;
  while (start < shorter && same(start, start)) start += 1;
  let end = 0;
  while (end < shorter - start && same(before.length - 1 - end, after.length - 1 - end)) end += 1;
  const different = [...before.slice(start, before.length - end), ...after.slice(start, after.length - end)];
  return new Set(different.flatMap(({ uid, owner, inheritedFrom }) => [uid, owner, inheritedFrom ?? uid]));
}

/** Some accounts and all their successors, which inherit what was refused in their predecessors' periods. */
export function withSuccessors(facts: Facts, uids: Iterable<string>): Set<string> {
  const found = new Set(uids);
  // The set grows during the iteration.
  for (const uid of found) {
    if (isLive(facts, uid)) continue;
    for (const address of addressesClaimedBy(facts, uid)) {
      for (const period of periodsOf(facts, address)) if (period.inheritedFrom === uid) found.add(period.uid);
    }
  }
  return found;
}
