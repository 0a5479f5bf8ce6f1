import { readConfig } from '../config';
import { observer } from '../contacts/merge/rollout';
import type { ApplyOptions } from '../ingest/apply/transaction';
import type { Database } from '../postgres/database';
import { withDatabase } from './servers';

/** Opens the database of one command that merges, with the options of the service. */
export function withMerging<T>(
  env: NodeJS.ProcessEnv,
  dryRun: boolean,
  work: (db: Database, options: ApplyOptions) => Promise<T>,
): Promise<T> {
  const config = readConfig(env, ['database', 'merging']);
  const { tokenPolicy, notifyChanges: changes, notifyConfirmations: confirmations } = config;
  const options = { tokenPolicy, observes: observer(config), notify: { changes, confirmations }, dryRun };
  return withDatabase(env, (db) => work(db, options));
}
