import type { Program } from './contender';

/** OneContact's own defaults: the database's limit gets as many connections and the same batches. */
export const BATCH_SIZE = 500;
export const CONCURRENCY = 2;
export const PREFETCH = 1_000;

/** @param set environment beside the defaults */
export const onecontact = (set: Record<string, string> = {}): Program => ({
  name: 'OneContact',
  file: 'onecontact',
  args: ['start'],
  env: { BATCH_SIZE: `${BATCH_SIZE}`, CONCURRENCY: `${CONCURRENCY}`, PREFETCH: `${PREFETCH}`, ...set },
});

export const baseline = (concurrency: number): Program => ({
  name: 'baseline',
  file: 'baseline',
  args: [`${concurrency}`],
});

export const brokerLimit = (): Program => ({ name: 'broker limit', file: 'broker-limit', args: [`${PREFETCH}`] });
