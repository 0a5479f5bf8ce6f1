/** The decisions to repeat after a restore, without addresses, free text and generated ids (docs/recovery.md). */
import { z } from 'zod';
import { isPseudonym } from '../../contacts/facts/pseudonym';
import { iso } from '../../foundation/times';
import type { StoredAuditEntry } from '../../postgres/tables/audit';
import { erasureHash } from '../../postgres/tables/erasure';
import { hashIn } from '../erased-name';

/** The commands that are decisions. */
const Decision = z.enum(['import', 'merges undo', 'merges unblock', 'collisions resolve', 'opt-out']);

/** Strict, because `--again` prints the values for a shell. */
export const ExportedEntry = z.object({
  at: z.iso.datetime(),
  operator: z.string(),
  command: Decision,
  /** The file of an import. */
  file: z.string().optional(),
  /** The account of a decision about an account. */
  account_id: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  /** Keyed hashes of the account's addresses, or of the address of an opt-out. */
  address_hashes: z.array(z.string()).optional(),
  /** The event that caused the merge. */
  trigger_event_id: z.string().optional(),
});
export type ExportedEntry = z.infer<typeof ExportedEntry>;

/** The targets of these commands. */
interface Target {
  file?: string;
  account_id?: string;
  email?: string;
  addresses?: string[];
  trigger_event_id?: string;
  pairs?: Target[];
}

/**
 * One entry for each decision. Other commands have none: erasures have a list of their own, and a purge or a dead letter
 * need not be repeated. Decisions about erased people are left out.
 */
export function exportedEntries(entry: StoredAuditEntry, erasureKey: string): ExportedEntry[] {
  const command = Decision.safeParse(entry.command).data;
  if (command === undefined) return [];
  const { pairs, ...single }: Target = entry.target;
  const head = { at: iso(entry.at), operator: entry.operator, command };
  const hashOf = (key: string): string => hashIn(key) ?? erasureHash(erasureKey, { kind: 'address', key });
  return (pairs ?? [single]).flatMap(({ file, account_id, email, addresses, trigger_event_id }) => {
    if (command === 'opt-out') {
      return email === undefined || hashIn(email) ? [] : { ...head, address_hashes: [hashOf(email)] };
    }
    if (account_id === undefined) return { ...head, ...(file !== undefined && { file }) };
    if (hashIn(account_id) !== undefined || isPseudonym(account_id)) return [];
    const address_hashes = (addresses ?? (email === undefined ? [] : [email])).map(hashOf);
    return { ...head, account_id, address_hashes, ...(trigger_event_id !== undefined && { trigger_event_id }) };
  });
}
