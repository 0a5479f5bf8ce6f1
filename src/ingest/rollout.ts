/** Gradual rollout: merging is on for some accounts first. */
import { createHash } from 'node:crypto';
import type { ServiceConfig } from '../config';

/**
 * Whether an account is only observed: in observe mode every account, else those outside `MERGE_PERCENT`. The share is by
 * hash of the uid, so all processes agree, and an account that merges keeps merging as the percentage grows.
 */
export function observer({ mergeMode, mergePercent }: Pick<ServiceConfig, 'mergeMode' | 'mergePercent'>) {
  if (mergeMode === 'observe' || mergePercent === 0) return () => true;
  if (mergePercent === 100) return () => false;
  return (uid: string): boolean => percentileOf(uid) >= mergePercent;
}

/** From 0 to 99. */
const percentileOf = (uid: string): number => createHash('sha256').update(uid).digest().readUInt32BE(0) % 100;
