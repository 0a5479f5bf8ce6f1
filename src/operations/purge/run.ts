import { setTimeout as delay } from 'node:timers/promises';
import type { Time } from '../../contacts/facts/event';
import { type Database, inTransaction, type Transaction } from '../../postgres/database';
import { failureOf } from '../../postgres/errors';
import { purgeAccounts } from './accounts';
import { purgeAddresses } from './addresses';
import { purgeForgettable } from './islands';
import { purgeMerges } from './merges';
import { type PagedTable, pagesOf } from './pages';
import type { Purged, PurgeStep } from './step';

export interface PurgeOptions {
  /** Milliseconds since 1970: only what is older is touched, by event time. */
  before: Time;
  /** Does each page, counts, and takes it back. */
  dryRun?: boolean;
  /** Rows of a page; each page is a transaction. */
  pageSize?: number;
  /** Called with each page that is done. */
  onPage?(table: PagedTable, rows: number): void;
}

/** Claims are compacted before islands are dropped, so that a dry run counts each row once, too. */
const PASSES: readonly { table: PagedTable; steps: readonly PurgeStep[] }[] = [
  { table: 'email_address', steps: [purgeAddresses] },
  { table: 'account', steps: [purgeAccounts, purgeForgettable] },
  { table: 'merge', steps: [purgeMerges] },
];

const PAGE = 1_000;
/** So often is a page tried again after a failure that was a matter of chance. */
const ATTEMPTS = 5;

/**
 * Removes what nobody needs any more, beside running workers: page by page, each step of a page in a short transaction
 * under the workers' own locks. It can be stopped at any moment, by any means; the next run goes on. Rejects with what a
 * page failed of; the pages before it are done.
 */
export async function purge(
  db: Database,
  { before, dryRun = false, pageSize = PAGE, onPage }: PurgeOptions,
): Promise<Purged> {
  const purged: Purged = { claims: 0, choices: 0, accounts: 0, addresses: 0, contacts: 0, explanations: 0 };
  for (const { table, steps } of PASSES) {
    for await (const page of pagesOf(db, table, pageSize)) {
      for (const step of steps) add(purged, await inPage(db, (tx) => step(tx, page, before), dryRun));
      onPage?.(table, page.rows);
    }
  }
  return purged;
}

function add(purged: Purged, more: Partial<Purged>): void {
  for (const [name, rows] of Object.entries(more) as [keyof Purged, number][]) purged[name] += rows;
}

/** Not an error: ends a transaction that was only tried. */
class TakenBack extends Error {
  constructor(readonly purged: Partial<Purged>) {
    super();
  }
}

async function inPage(
  db: Database,
  work: (tx: Transaction) => Promise<Partial<Purged>>,
  dryRun: boolean,
): Promise<Partial<Purged>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(db, async (tx) => {
        const purged = await work(tx);
        if (dryRun) throw new TakenBack(purged);
        return purged;
      });
    } catch (error) {
      if (error instanceof TakenBack) return error.purged;
      if (failureOf(error).kind !== 'transient' || attempt === ATTEMPTS) throw error;
      await delay(Math.random() * 20 * 2 ** attempt);
    }
  }
}
