/** The merge ledger. */
import type { UndoneMerge } from '../../contacts/facts/facts';
import type { UndoCommand } from '../../contacts/merge/command';
import type { ExplainedMerge, Explanation, MergeDetails } from '../../contacts/merge/explain';
import type { MergePlan, StoredMerge } from '../../contacts/merge/merge';
import type { TokenReason } from '../../contacts/merge/token-policy';
import type { Undone } from '../../contacts/merge/undo';
import { arrayLiteral } from '../array-literal';
import { type Database, inSnapshot, type Queries } from '../database';
import type { Merge } from '../generated/prisma/client';
import { type Columns, namesOf, rowSource } from '../statement';

const storedMergeOf = (row: Omit<Merge, 'explanation'>): StoredMerge => ({
  id: row.id,
  seq: row.seq,
  mergedAt: row.mergedAt,
  undoneAt: row.undoneAt,
  survivorId: row.survivorId,
  retiredId: row.retiredId,
  uid: row.uid,
  claimant: row.claimant,
  reason: row.reason as MergePlan['reason'],
  trigger: { source: row.triggerSource as 'fxa' | 'newsletter', event: row.triggerEvent, id: row.triggerId },
  at: row.triggerAt.getTime(),
  addresses: row.addresses,
  token: { policy: row.tokenPolicy, reason: row.tokenReason as TokenReason, keep: row.tokenSide },
  tokenKept: row.tokenKept,
  tokenRetired: row.tokenRetired,
  announced: row.announced,
});

/** Null for an unknown id. */
export async function findMerge(db: Database, id: string): Promise<MergeDetails | null> {
  const contact = { select: { state: true, mergedInto: true } } as const;
  const row = await db.merge.findUnique({
    where: { id },
    include: {
      survivor: contact,
      retired: contact,
      blocks: { select: { address: true }, orderBy: { address: 'asc' } },
    },
  });
  if (!row) return null;
  const { survivor, retired, blocks, explanation, ...merge } = row;
  return {
    ...storedMergeOf(merge),
    explanation: explanation as unknown as Explanation | null,
    contacts: { survivor, retired },
    blocked: blocks.map(({ address }) => address),
  };
}

export interface MergeFilter {
  /** The maximum number of merges. */
  limit: number;
  /** Only merges with a smaller `seq`: the page after a merge. */
  before?: bigint | undefined;
  /** Only merges with this account on either side. */
  uid?: string | undefined;
  /** Only undone merges. */
  undone?: boolean | undefined;
}

/** Newest first. */
export async function listMerges(db: Database, { limit, before, uid, undone }: MergeFilter): Promise<StoredMerge[]> {
  const rows = await db.merge.findMany({
    where: {
      ...(before !== undefined && { seq: { lt: before } }),
      ...(uid !== undefined && { OR: [{ uid }, { claimant: uid }] }),
      ...(undone && { undoneAt: { not: null } }),
    },
    omit: { explanation: true },
    orderBy: { seq: 'desc' },
    take: limit,
  });
  return rows.map(storedMergeOf);
}

/**
 * The merges that led to a live contact, at any depth, and those that retired it until they were undone; oldest first.
 * Null when no live contact has the id.
 */
export async function findHistory(db: Database, contactId: string): Promise<StoredMerge[] | null> {
  const rows = await inSnapshot(db, async (tx) => {
    const live = await tx.contact.findFirst({ where: { id: contactId, state: 'live' }, select: { id: true } });
    // In two steps, because no index serves a condition on the ledger joined with its survivors.
    return (
      live &&
      tx.$queryRaw<Omit<Merge, 'explanation'>[]>`
        SELECT id, seq, merged_at AS "mergedAt", undone_at AS "undoneAt", survivor_id AS "survivorId",
          retired_id AS "retiredId", uid, claimant, reason, trigger_source AS "triggerSource",
          trigger_event AS "triggerEvent", trigger_id AS "triggerId", trigger_at AS "triggerAt", addresses,
          token_policy AS "tokenPolicy", token_reason AS "tokenReason", token_side AS "tokenSide",
          token_kept AS "tokenKept", token_retired AS "tokenRetired", announced
        FROM merge
        WHERE retired_id = ${contactId}::uuid OR survivor_id = ANY (ARRAY (
          SELECT id FROM contact WHERE id = ${contactId}::uuid OR merged_into = ${contactId}::uuid
        ))
        ORDER BY seq`
    );
  });
  return rows?.map(storedMergeOf) ?? null;
}

const COLUMNS = {
  id: ['uuid', ({ id }) => id],
  survivor_id: ['uuid', ({ survivorId }) => survivorId],
  retired_id: ['uuid', ({ retiredId }) => retiredId],
  uid: ['text', ({ uid }) => uid],
  claimant: ['text', ({ claimant }) => claimant],
  reason: ['text', ({ reason }) => reason],
  trigger_source: ['text', ({ trigger }) => trigger.source],
  trigger_event: ['text', ({ trigger }) => trigger.event],
  trigger_id: ['text', ({ trigger }) => trigger.id],
  trigger_at: ['time', ({ at }) => at],
  token_policy: ['token_policy', ({ token }) => token.policy],
  token_reason: ['text', ({ token }) => token.reason],
  token_side: ['side', ({ token }) => token.keep],
  token_kept: ['uuid', ({ tokenKept }) => tokenKept],
  token_retired: ['uuid', ({ tokenRetired }) => tokenRetired],
  announced: ['boolean', ({ announced }) => announced],
  explanation: ['json', ({ explanation }) => explanation && JSON.stringify(explanation)],
} satisfies Columns<ExplainedMerge>;

/** Writes merges in the order in which they happened. */
export async function insertMerges(tx: Queries, merges: readonly ExplainedMerge[]): Promise<void> {
  if (merges.length === 0) return;
  const columns: Columns<ExplainedMerge> = { ...COLUMNS, moved: ['text', ({ addresses }) => arrayLiteral(addresses)] };
  await tx.$executeRaw`
    INSERT INTO merge (${namesOf(COLUMNS)}, addresses)
    SELECT ${namesOf(COLUMNS)}, x.moved::text[] FROM ${rowSource(merges, columns)} ORDER BY ordinal`;
}

const UNDONE = { id: ['uuid', ({ merge }) => merge.id], at: ['time', ({ at }) => at] } satisfies Columns<Undone>;

export async function markUndone(tx: Queries, undone: readonly Undone[]): Promise<void> {
  if (undone.length === 0) return;
  await tx.$executeRaw`
    UPDATE merge AS known SET undone_at = x.at FROM ${rowSource(undone, UNDONE)} WHERE known.id = x.id`;
}

/** The undone merges of some accounts. Those of an address are among them, because its claims lead to the account. */
export async function loadUndone(db: Queries, uids: readonly string[]): Promise<UndoneMerge[]> {
  const rows = await db.$queryRaw<(Omit<UndoneMerge, 'mergeId'> & { id: string })[]>`
    SELECT id, uid, claimant, addresses, (extract(epoch FROM trigger_at) * 1000)::float8 AS "from",
      (extract(epoch FROM undone_at) * 1000)::float8 AS until
    FROM merge WHERE undone_at IS NOT NULL AND uid = ANY (${uids}::text[])`;
  return rows.map(({ id, ...row }) => ({ mergeId: id, ...row }));
}

export interface SinceMerge extends Pick<UndoCommand, 'superseded' | 'followers'> {
  /** The merge was undone before. */
  undone: boolean;
}

/**
 * What an undo has to know about the time after the merge. It stays true until the commit if the locks on the merge's
 * addresses and accounts are held: without them, no transaction can merge or undo anything of its survivor.
 */
export async function loadSinceMerge(tx: Queries, mergeId: string): Promise<SinceMerge> {
  const [row] = await tx.$queryRaw<SinceMerge[]>`
    SELECT m.undone_at IS NOT NULL AS undone,
      EXISTS (
        SELECT FROM merge later
        WHERE later.seq > m.seq AND later.undone_at IS NULL AND m.survivor_id IN (later.survivor_id, later.retired_id)
      ) AS superseded,
      ARRAY (
        WITH RECURSIVE follower (id) AS (
          SELECT retired_id FROM merge WHERE survivor_id = m.retired_id AND undone_at IS NULL
          UNION
          SELECT retired_id FROM merge JOIN follower ON survivor_id = follower.id WHERE undone_at IS NULL
        )
        SELECT id FROM follower
      ) AS followers
    FROM merge m WHERE m.id = ${mergeId}::uuid`;
  // Without a row, the person was erased in the meantime.
  return row ?? { undone: false, superseded: true, followers: [] };
}
