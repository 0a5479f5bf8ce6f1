import { type Database, inTransaction } from '../postgres/database';
import { retryTransient } from '../postgres/errors';
import { compactAccounts, deleteExplanations } from './accounts';
import { compactAddresses } from './addresses';
import { deleteOldAudit } from './audit';
import { dropComponents } from './components';
import { type Limits, NOTHING, nextPage, type PagedTable, type Purged, type Step, type StepResult } from './page';

export interface PurgeOptions extends Pick<Limits, 'before'> {
  /** Audit entries that are older than this are purged; if absent, none. */
  auditBefore?: Limits['auditBefore'];
  /** Counts what would be purged, and changes nothing. */
  dryRun?: boolean;
  /** Rows of a page. */
  pageSize?: number;
  /** Rows that one transaction removes at most. */
  rows?: number;
  /** Called after each page of a pass. */
  onPage?(pass: Pass, rows: number): void;
}

/** One walk through a table. */
export interface Pass {
  table: PagedTable;
  step: Step;
}

/** Claims are compacted before components are dropped, so that a dry run, too, counts each row once. */
export const PASSES: readonly Pass[] = [
  { table: 'email_address', step: compactAddresses },
  { table: 'account', step: compactAccounts },
  { table: 'account', step: dropComponents },
  { table: 'merge', step: deleteExplanations },
  { table: 'audit', step: deleteOldAudit },
];

const PAGE_SIZE = 1_000;
export const MOST_ROWS = 5_000;

/**
 * Purges the database at once, beside running workers: page by page, each in a short transaction under the workers' own
 * locks. It can be stopped at any moment, and the next run continues. Rejects with the error of the first page that
 * fails; the pages before it are done.
 */
export async function purge(
  db: Database,
  { before, auditBefore = null, dryRun = false, pageSize = PAGE_SIZE, rows = MOST_ROWS, onPage }: PurgeOptions,
): Promise<Purged> {
  const purged: Purged = { ...NOTHING };
  // A dry run removes nothing, so it looks at each page as a whole, without a limit of rows.
  const limits = { before, auditBefore, rows: dryRun ? null : rows };
  for (const pass of PASSES) {
    let page = await nextPage(db, pass.table, pageSize);
    while (page !== null) {
      const current = page;
      const { more, ...removed }: StepResult = await retryTransient(() =>
        inTransaction(db, (tx) => pass.step(tx, current, limits), { dryRun }),
      );
      for (const [name, count] of Object.entries(removed) as [keyof Purged, number][]) purged[name] += count;
      if (more) continue;
      onPage?.(pass, page.rows);
      page = await nextPage(db, pass.table, pageSize, page.last);
    }
  }
  return purged;
}
