/** Invariants of the stored data, checked with SQL. */
interface Sql {
  sql<T extends object>(text: string): Promise<T[]>;
}

const PROMISES = `
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
  -- The owner by the effective claims, compared with the account of the contact that has the address.
  SELECT 'not whom the claims say: ' || a.address
  FROM email_address a LEFT JOIN account u ON u.contact_id = a.contact_id
  LEFT JOIN LATERAL (
    SELECT k.uid FROM address_claim k JOIN account o ON o.uid = k.uid
    WHERE k.address = a.address AND k.status = 'active' AND (o.deleted_at IS NULL OR k.at <= o.deleted_at)
    ORDER BY k.at DESC, k.uid DESC LIMIT 1
  ) AS owner ON true
  WHERE owner.uid IS DISTINCT FROM u.uid
  UNION ALL
  SELECT 'continuing claim behind another account’s: ' || address || ' ' || uid || ' ' || at
  FROM (SELECT *, lag(uid) OVER (PARTITION BY address ORDER BY at, uid) AS before FROM address_claim) AS claim
  WHERE continues AND before IS DISTINCT FROM uid
  UNION ALL
  SELECT 'two lone addresses on one contact: ' || contact_id FROM email_address a
  WHERE NOT EXISTS (SELECT FROM account u WHERE u.contact_id = a.contact_id) GROUP BY contact_id HAVING count(*) > 1`;

/** Holds as long as nothing is published. */
const OUTBOX = `
  SELECT 'announced merge without its message: ' || m.id AS problem FROM merge m
  WHERE m.announced AND NOT EXISTS (SELECT FROM outbox o WHERE o.message_id = m.id)`;

/** Holds without undo and import. */
const EVENTS_ONLY = `
  SELECT 'live token count: ' || c.id AS problem FROM contact c
  LEFT JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live'
  GROUP BY c.id HAVING count(t.token) <> (c.state = 'live')::int
  UNION ALL
  SELECT 'merged, and not once in the ledger: ' || c.id FROM contact c LEFT JOIN merge m ON m.retired_id = c.id
  GROUP BY c.id HAVING count(m.id) <> (c.state = 'merged')::int
  UNION ALL
  SELECT 'choice at an unknown address: ' || origin FROM choice
  WHERE origin_kind = 'address' AND NOT EXISTS (SELECT FROM email_address a WHERE a.address = origin)`;

const CHECKS = { all: [PROMISES, OUTBOX], published: [PROMISES], 'published events': [PROMISES, EVENTS_ONLY] };

/** @returns what is broken; empty when all is well */
export async function brokenPromises({ sql }: Sql, checks: keyof typeof CHECKS = 'all'): Promise<string[]> {
  const rows = await sql<{ problem: string }>(CHECKS[checks].join(' UNION ALL '));
  return rows.map(({ problem }) => problem);
}
