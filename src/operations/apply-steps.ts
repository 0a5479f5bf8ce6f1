import { type Applied, type ApplyOptions, applyBatch } from '../ingest/transaction';
import type { Database } from '../postgres/database';
import type { Step } from '../postgres/lock-and-load';
import { retryTransient } from '../postgres/try-again';

/** What a person decides, applied as the workers apply events: under the same locks, beside a service that runs. */
export const applySteps = (db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Applied> =>
  retryTransient(() => applyBatch(db, steps, options));
