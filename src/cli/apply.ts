import type { Database } from '../store/database';
import type { Step } from '../store/load-state';
import { tryAgain } from '../store/try-again';
import { type Applied, type ApplyOptions, applyBatch } from '../workers/apply-batch';

/** What a person decides, applied as the workers apply events: under the same locks, beside a service that runs. */
export const applySteps = (db: Database, steps: readonly Step[], options: ApplyOptions): Promise<Applied> =>
  tryAgain(() => applyBatch(db, steps, options));
