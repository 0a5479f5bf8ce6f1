import type { Time } from '../../contacts/facts/event';
import { type Database, inTransaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { deleteOldAudit } from '../../postgres/tables/audit';
import { compactAccounts, compactAddresses, deleteExplanations } from './compaction';
import { dropComponents } from './components';
import { type PagedTable, type Purged, type PurgeStep, pagesOf } from './page';

export interface PurgeOptions {
  /** Milliseconds since 1970: only facts with an older event time are purged. */
  before: Time;
  /** Entries of the audit that are older than this are purged; without it, none. */
  auditBefore?: Time;
  /** Counts what would be purged, and changes nothing. */
  dryRun?: boolean;
  /** Rows of a page. */
  pageSize?: number;
  /** Called after each page. */
  onPage?(table: PagedTable, rows: number): void;
}

/** Claims are compacted before components are dropped, so that a dry run, too, counts each row once. */
const PASSES: readonly { table: PagedTable; steps: readonly PurgeStep[] }[] = [
  { table: 'email_address', steps: [compactAddresses] },
  { table: 'account', steps: [compactAccounts, dropComponents] },
  { table: 'merge', steps: [deleteExplanations] },
];

const PAGE_SIZE = 1_000;

/**
 * Purges the database beside running workers: page by page, each step of a page in a short transaction under the
 * workers' own locks. It can be stopped at any moment, and the next run continues. Rejects with the error of a page
 * that failed; the pages before it are done.
 */
export async function purge(
  db: Database,
  { before, auditBefore, dryRun, pageSize = PAGE_SIZE, onPage }: PurgeOptions,
): Promise<Purged> {
  const purged: Purged = { claims: 0, choices: 0, accounts: 0, addresses: 0, contacts: 0, explanations: 0, audit: 0 };
  for (const { table, steps } of PASSES) {
    for await (const page of pagesOf(db, table, pageSize)) {
      for (const step of steps) {
        add(purged, await retryTransient(() => inTransaction(db, (tx) => step(tx, page, before), { dryRun })));
      }
      onPage?.(table, page.rows);
    }
  }
  if (auditBefore !== undefined) {
    purged.audit = await inTransaction(db, (tx) => deleteOldAudit(tx, auditBefore), { dryRun });
  }
  return purged;
}

function add(purged: Purged, more: Partial<Purged>): void {
  for (const [name, rows] of Object.entries(more) as [keyof Purged, number][]) purged[name] += rows;
}
