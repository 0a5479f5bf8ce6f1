import type { UndoneMerge } from '../../contacts/facts/facts';
import type { Queries } from '../database';

/**
 * The undone merges that concern some accounts. That of an address is among them: its claims, counted or not, lead to the
 * account.
 */
export async function loadUndone(db: Queries, uids: readonly string[]): Promise<UndoneMerge[]> {
  const rows = await db.$queryRaw<(Omit<UndoneMerge, 'mergeId'> & { id: string })[]>`
    SELECT id, uid, claimant, addresses, (extract(epoch FROM trigger_at) * 1000)::float8 AS "from",
      (extract(epoch FROM undone_at) * 1000)::float8 AS until
    FROM merge WHERE undone_at IS NOT NULL AND uid = ANY (${uids}::text[])`;
  return rows.map(({ id, ...row }) => ({ mergeId: id, ...row }));
}
