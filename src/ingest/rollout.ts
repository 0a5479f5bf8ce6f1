/** Merging for some accounts first: how the account team brings a change to everybody. */
import { createHash } from 'node:crypto';
import type { ServiceConfig } from '../config';

/**
 * Which accounts are only observed: all of them in observe mode, else those outside `MERGE_PERCENT`. An account stays on
 * its side while the percentage grows, in every process: its place is a hash of its uid.
 */
export function observer({ mergeMode, mergePercent }: Pick<ServiceConfig, 'mergeMode' | 'mergePercent'>) {
  if (mergeMode === 'observe' || mergePercent === 0) return () => true;
  if (mergePercent === 100) return () => false;
  return (uid: string): boolean => placeOf(uid) >= mergePercent;
}

/** From 0 to 99. */
const placeOf = (uid: string): number => createHash('sha256').update(uid).digest().readUInt32BE(0) % 100;
