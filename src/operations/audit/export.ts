/** What must be done again after a restore, without addresses, free text and generated ids (docs/recovery.md). */
import { iso } from '../../foundation/times';
import type { StoredAuditEntry } from '../../postgres/tables/audit';
import { erasureHash } from '../../postgres/tables/erasure';
import { hashIn } from '../erased-name';

export interface ExportedEntry {
  at: string;
  operator: string;
  command: string;
  /** Of an import. */
  file?: string;
  /** Of a decision about an account, with keyed hashes of its addresses. */
  account_id?: string;
  address_hashes?: string[];
  /** The event that caused the merge. */
  trigger_event_id?: string;
}

/** What these commands have as their targets. */
interface Target {
  file?: string;
  account_id?: string;
  email?: string;
  addresses?: string[];
  trigger_event_id?: string;
  pairs?: Target[];
}

const REPEATED = new Set(['import', 'merges undo', 'merges unblock', 'collisions resolve']);

/**
 * One for each decision. None for other commands: erasures have a list of their own, and a purge or a dead letter need
 * not be done again. None about an erased account.
 */
export function exportedEntries(entry: StoredAuditEntry, erasureKey: string): ExportedEntry[] {
  if (!REPEATED.has(entry.command)) return [];
  const { pairs, ...single }: Target = entry.target;
  const head = { at: iso(entry.at), operator: entry.operator, command: entry.command };
  const hashOf = (key: string): string => hashIn(key) ?? erasureHash(erasureKey, { kind: 'address', key });
  return (pairs ?? [single]).flatMap(({ file, account_id, email, addresses, trigger_event_id }) => {
    if (account_id === undefined) return { ...head, ...(file !== undefined && { file }) };
    if (hashIn(account_id) !== undefined) return [];
    const address_hashes = (addresses ?? (email === undefined ? [] : [email])).map(hashOf);
    return { ...head, account_id, address_hashes, ...(trigger_event_id !== undefined && { trigger_event_id }) };
  });
}
