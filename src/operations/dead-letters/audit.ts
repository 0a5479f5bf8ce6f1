import type { Command } from 'commander';
import { readConfig } from '../../config';
import type { AuditDetails } from '../../postgres/tables/audit';
import { addressFrom } from '../arguments';
import { audited, authorOf } from '../audited';
import { withDatabase } from '../servers';
import type { Browsed, Replayed } from './run';

/** What was selected, as it was given. */
export const targetOf = (
  ids: readonly string[],
  { address, dryRun: _, json: __, ...filters }: { address?: string | undefined; dryRun?: true; json?: true },
  command: Command,
): AuditDetails => ({
  ...(ids.length > 0 && { ids }),
  ...(address !== undefined && { email: addressFrom(command, address).key }),
  ...filters,
});

/** The broker has no transaction that the audit could be part of: the entry comes before the work. */
export const inAudit = <T extends Browsed>(
  env: NodeJS.ProcessEnv,
  verb: 'replay' | 'drop',
  target: AuditDetails,
  work: () => Promise<T>,
): Promise<T> => {
  readConfig(env, ['broker', 'database', 'audit']); // all problems at once
  const entry = { ...authorOf(env), command: `dead-letters ${verb}` as const, target };
  return withDatabase(env, (db) => audited(db, entry, work, resultOf));
};

/** What the audit says of a replay or a drop. */
export const resultOf = (done: Browsed | Replayed): AuditDetails => ({
  ...{ dead_letters: done.total, matched: done.matched },
  ...('replayed' in done ? { replayed: done.replayed } : { dropped: done.dropped }),
});
