import { createHash } from 'node:crypto';

export interface Rollout {
  mergeMode: 'on' | 'observe';
  /** The percentage of accounts that merge. */
  mergePercent: number;
}

/**
 * Whether an account is only observed: every account in observe mode, otherwise those outside `mergePercent`. The hash of
 * its uid places an account the same in every process, and an account that merges keeps merging at a higher percentage.
 */
export function observer({ mergeMode, mergePercent }: Rollout): (uid: string) => boolean {
  if (mergeMode === 'observe' || mergePercent === 0) return () => true;
  if (mergePercent === 100) return () => false;
  return (uid) => placeOf(uid) >= mergePercent;
}

/** The place of an account: a number from 0 to 99. */
const placeOf = (uid: string): number => createHash('sha256').update(uid).digest().readUInt32BE(0) % 100;
