/** Applies events to a test database, and reads it back. */
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { canonicalLine } from '../../src/contacts/profile/canonical';
import type { Step } from '../../src/ingest/steps';
import { type ApplyOptions, applyBatch } from '../../src/ingest/transaction';
import { exportContacts } from '../../src/operations/export/store';
import type { Database } from '../../src/postgres/database';
import type { TestDatabase } from './database';

export async function canonicalExportOf(db: Database): Promise<string[]> {
  const lines: string[] = [];
  await exportContacts(db, (page) => {
    lines.push(...page.map(({ view }) => canonicalLine(view)));
  });
  return lines;
}

export const DEFAULTS: ApplyOptions = { tokenPolicy: 'address', observes: () => false };

export const apply = (db: Database, ...steps: Step[]) => applyBatch(db, steps, DEFAULTS);

/** Several workers apply the batches concurrently. */
export async function applyConcurrently(db: Database, batches: ContactEvent[][], workers: number): Promise<void> {
  const queue = batches.filter((batch) => batch.length > 0);
  const work = async (): Promise<void> => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) await apply(db, ...batch);
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** Violated invariants of stored contacts, tokens and merges, found by SQL; empty if there are none. */
export async function brokenPromises({ sql }: Pick<TestDatabase, 'sql'>): Promise<string[]> {
  const rows = await sql<{ problem: string }>(`
    SELECT 'no live token: ' || c.id AS problem FROM contact c
    WHERE c.state = 'live' AND NOT EXISTS (SELECT FROM basket_token t WHERE t.contact_id = c.id AND t.state = 'live')
    UNION ALL
    SELECT 'live token of a contact that is not: ' || t.token FROM basket_token t JOIN contact c ON c.id = t.contact_id
    WHERE t.state = 'live' AND c.state <> 'live'
    UNION ALL
    SELECT 'live contact without address or account: ' || c.id FROM contact c
    WHERE c.state = 'live' AND NOT EXISTS (SELECT FROM email_address a WHERE a.contact_id = c.id)
      AND NOT EXISTS (SELECT FROM account u WHERE u.contact_id = c.id AND u.deleted_at IS NULL)
    UNION ALL
    SELECT 'merged into one that is merged: ' || c.id FROM contact c JOIN contact i ON i.id = c.merged_into WHERE i.state = 'merged'
    UNION ALL
    -- Whom each address belongs to by the claims that count, against the account of the contact that it is on.
    SELECT 'not whom the claims say: ' || a.address
    FROM email_address a LEFT JOIN account u ON u.contact_id = a.contact_id
    LEFT JOIN LATERAL (
      SELECT k.uid FROM address_claim k JOIN account o ON o.uid = k.uid
      WHERE k.address = a.address AND k.status = 'active' AND (o.deleted_at IS NULL OR k.at <= o.deleted_at)
      ORDER BY k.at DESC, k.uid DESC LIMIT 1
    ) AS owner ON true
    WHERE owner.uid IS DISTINCT FROM u.uid
    UNION ALL
    SELECT 'two lone addresses on one contact: ' || contact_id FROM email_address a
    WHERE NOT EXISTS (SELECT FROM account u WHERE u.contact_id = a.contact_id) GROUP BY contact_id HAVING count(*) > 1
    UNION ALL
    SELECT 'announced merge without its message: ' || m.id FROM merge m
    WHERE m.announced AND NOT EXISTS (SELECT FROM outbox o WHERE o.message_id = m.id)`);
  return rows.map(({ problem }) => problem);
}

/** The same value for the same seed. */
export const sample = <T>(arbitrary: fc.Arbitrary<T>, seed: number): T =>
  fc.sample(arbitrary, { numRuns: 1, seed })[0] as T;
