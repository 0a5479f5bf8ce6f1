/** Every command that changes something writes to the audit; dry runs do not. */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from '../config';
import type { Queries } from '../postgres/database';
import { type AuditDetails, type AuditEntry, addToAudit, finishAuditEntry } from '../postgres/tables/audit';

/** The source, in the consent ledger, of a choice that the command `opt-out` made. */
export const STAFF_SOURCE = 'onecontact opt-out';

/** Who runs a command, and why. */
export type Author = Pick<AuditEntry, 'operator' | 'reason'>;

/** The operator named by OPERATOR; if it is not set, the system's user. */
export function authorOf(env: NodeJS.ProcessEnv, reason: string | undefined = undefined): Author {
  return { operator: readConfig(env, ['audit']).operator ?? systemUser(), reason: reason ?? null };
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`; // in a container, the user may have no name
  }
}

const MAX_REASON = 500;

/** Adds `--reason` to a command. */
export const withReason = (command: Command, { required }: { required?: true } = {}): Command =>
  command.addOption(
    new Option('--reason <text>', 'the reason, recorded for `onecontact audit`')
      .argParser((text) => {
        if (text.trim() === '' || text.length > MAX_REASON) {
          throw new InvalidArgumentError(`It must be a text of at most ${MAX_REASON} characters.`);
        }
        return text.trim();
      })
      .makeOptionMandatory(required ?? false),
  );

/**
 * Does work that takes more than one transaction. The entry is written before the work, and its result after it, so that
 * an interrupted command is in the audit, too.
 */
export async function audited<T>(
  db: Queries,
  entry: Omit<AuditEntry, 'result'>,
  work: () => Promise<T>,
  resultOf: (done: T) => AuditDetails,
): Promise<T> {
  const seq = await addToAudit(db, { ...entry, result: null });
  const done = await work();
  await finishAuditEntry(db, seq, resultOf(done));
  return done;
}
