import type { Command } from 'commander';
import { readConfig } from '../../config';
import type { AuditDetails } from '../../postgres/tables/audit';
import { addressFrom } from '../arguments';
import { audited, authorOf } from '../audited';
import { withDatabase } from '../servers';
import type { Browsed, Replayed } from './run';

/** The selection as the operator gave it. */
export const targetOf = (
  ids: readonly string[],
  { address, dryRun: _, json: __, ...filters }: { address?: string | undefined; dryRun?: true; json?: true },
  command: Command,
): AuditDetails => ({
  ...(ids.length > 0 && { ids }),
  ...(address !== undefined && { email: addressFrom(command, address).key }),
  ...filters,
});

/** Writes the audit entry before the work, because the broker has no transaction that the entry could be part of. */
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
