/** The merge ledger. */
import type { UndoneMerge } from '../../contacts/facts/facts';
import type { UndoCommand } from '../../contacts/merge/command';
import type { ExplainedMerge, Explanation, MergeDetails } from '../../contacts/merge/explain';
import type { MergePlan, StoredMerge } from '../../contacts/merge/merge';
import type { TokenReason } from '../../contacts/merge/token-policy';
import type { Undone } from '../../contacts/merge/undo';
import { arrayLiteral } from '../array-literal';
import { type Database, inSnapshot, type Queries } from '../database';
import { type Merge, Prisma } from '../generated/prisma/client';
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

/** Merges with a contact on either side, newest first. A contact is retired a few times at most, when merges are undone. */
export async function listMergesOf(db: Queries, contactId: string, limit: number): Promise<StoredMerge[]> {
  const rows = await db.$queryRaw<StoredRow[]>`
    SELECT ${STORED} FROM (
      SELECT * FROM (
        SELECT * FROM merge WHERE (survivor_id, seq) < (${contactId}::uuid, ${LAST_SEQ})
        ORDER BY survivor_id DESC, seq DESC LIMIT ${limit}
      ) AS survived WHERE survivor_id = ${contactId}::uuid
      UNION ALL
      SELECT * FROM (SELECT * FROM merge WHERE retired_id = ${contactId}::uuid OFFSET 0) AS retired
    ) AS merge ORDER BY seq DESC LIMIT ${limit}`;
  return rows.map(storedMergeOf);
}

type StoredRow = Omit<Merge, 'explanation'>;

const STORED = Prisma.sql`
  id, seq, merged_at AS "mergedAt", undone_at AS "undoneAt", survivor_id AS "survivorId", retired_id AS "retiredId", uid,
  claimant, reason, trigger_source AS "triggerSource", trigger_event AS "triggerEvent", trigger_id AS "triggerId",
  trigger_at AS "triggerAt", addresses, token_policy AS "tokenPolicy", token_reason AS "tokenReason",
  token_side AS "tokenSide", token_kept AS "tokenKept", token_retired AS "tokenRetired", announced`;

/** Newest first. The two sides are searched for an account separately, because no index serves a condition on both. */
export async function listMerges(db: Queries, { limit, before, uid, undone }: MergeFilter): Promise<StoredMerge[]> {
  const older = Prisma.sql`${before ?? LAST_SEQ}::bigint`;
  const page = Prisma.sql`ORDER BY seq DESC LIMIT ${limit}`;
  if (uid === undefined) {
    const onlyUndone = undone ? Prisma.sql`AND undone_at IS NOT NULL` : Prisma.empty;
    const all = await db.$queryRaw<StoredRow[]>`SELECT ${STORED} FROM merge WHERE seq < ${older} ${onlyUndone} ${page}`;
    return all.map(storedMergeOf);
  }
  const side = undone
    ? (column: Prisma.Sql) => Prisma.sql`
        SELECT * FROM (SELECT * FROM merge WHERE ${column} = ${uid} AND undone_at IS NOT NULL OFFSET 0) AS known
        WHERE seq < ${older}`
    : // Only the index of the side can serve this order: with another order, the planner might read the whole ledger.
      (column: Prisma.Sql) => Prisma.sql`
        SELECT * FROM (
          SELECT * FROM merge WHERE ${column} IS NOT NULL AND (${column}, seq) < (${uid}, ${older})
          ORDER BY ${column} DESC, seq DESC LIMIT ${limit}
        ) AS known WHERE ${column} = ${uid}`;
  const rows = await db.$queryRaw<StoredRow[]>`
    SELECT ${STORED} FROM (${side(Prisma.sql`uid`)} UNION ALL ${side(Prisma.sql`claimant`)}) AS merge ${page}`;
  return rows.map(storedMergeOf);
}

const LAST_SEQ = 2n ** 63n - 1n;

/**
 * The later merges that have the survivor of a merge on either side and are not undone, newest first: an undo has to begin
 * with these.
 */
export async function laterMerges(
  db: Queries,
  { survivorId, seq }: Pick<StoredMerge, 'survivorId' | 'seq'>,
  limit: number,
): Promise<StoredMerge[]> {
  const survivor = Prisma.sql`${survivorId}::uuid`;
  const rows = await db.$queryRaw<StoredRow[]>`
    SELECT ${STORED} FROM (
      SELECT * FROM (
        SELECT * FROM merge WHERE (survivor_id, seq) > (${survivor}, ${seq}::bigint)
          AND (survivor_id, seq) <= (${survivor}, ${LAST_SEQ}::bigint) AND undone_at IS NULL
        ORDER BY survivor_id DESC, seq DESC LIMIT ${limit}
      ) AS survived
      UNION ALL
      SELECT * FROM (SELECT * FROM merge WHERE retired_id = ${survivor} OFFSET 0) AS retired
      WHERE seq > ${seq}::bigint AND undone_at IS NULL
    ) AS merge ORDER BY seq DESC LIMIT ${limit}`;
  return rows.map(storedMergeOf);
}

export interface HistoryPage {
  /** The maximum number of merges. */
  limit: number;
  /** The merge before the page; without it, the page is the first. */
  after?: string | undefined;
}

export interface History {
  merges: StoredMerge[];
  /** The last merge of the page, if others follow. */
  next: string | null;
}

/**
 * A page of a live contact's history: the merges that led to it, at any depth, and undone merges that had retired it. The
 * oldest comes first. The merges of a retired contact come before the merge that retired it. What a page reads depends on its
 * size, not on the history.
 *
 * @returns null if no live contact has the id, or if `after` is not in its history
 */
export async function findHistory(
  db: Database,
  contactId: string,
  { limit, after }: HistoryPage,
): Promise<History | null> {
  const rows = await inSnapshot(db, async (tx) =>
    (await isInHistory(tx, contactId, after)) ? walkHistory(tx, contactId, { limit: limit + 1, after }) : null,
  );
  if (rows === null) return null;
  const merges = rows.slice(0, limit).map(storedMergeOf);
  return { merges, next: rows.length > limit ? (merges.at(-1)?.id ?? null) : null };
}

async function isInHistory(db: Queries, contactId: string, after: string | undefined): Promise<boolean> {
  const known =
    after === undefined
      ? Prisma.sql`true`
      : Prisma.sql`EXISTS (
    SELECT FROM merge JOIN contact AS survivor ON survivor.id = survivor_id
    WHERE merge.id = ${after}::uuid
      AND (known.id IN (survivor_id, retired_id) OR survivor.merged_into = known.id))`;
  const rows = await db.$queryRaw<object[]>`
    SELECT id FROM contact AS known WHERE id = ${contactId}::uuid AND state = 'live' AND ${known}`;
  return rows.length > 0;
}

/**
 * Walks through the tree of merges. Each contact has a list of merges (`list_id`). A step either enters the oldest merge of a
 * list, or leaves a merge once all merges of its retired contact are done. Each step is a few look-ups, written so that only
 * one index can serve them.
 */
function walkHistory(tx: Queries, contactId: string, { limit, after }: HistoryPage): Promise<StoredRow[]> {
  const id = Prisma.sql`${contactId}::uuid`;
  const fields = Prisma.sql`id, seq, survivor_id, retired_id, undone_at`;
  const oldest = (listId: Prisma.Sql, seq: Prisma.Sql): Prisma.Sql => Prisma.sql`
    SELECT ${fields}, ${listId} AS list_id, false AS is_left FROM (
      SELECT * FROM (
        SELECT ${fields} FROM merge WHERE (survivor_id, seq) > (${listId}, ${seq}) AND retired_id <> ${id}
        ORDER BY survivor_id, seq LIMIT 1
      ) AS next WHERE survivor_id = ${listId}
      UNION ALL
      SELECT * FROM (SELECT ${fields} FROM merge WHERE retired_id = ${id} OFFSET 0) AS undone
      WHERE ${listId} = ${id} AND seq > ${seq}
    ) AS listed ORDER BY seq LIMIT 1`;
  const begin =
    after === undefined
      ? oldest(id, Prisma.sql`0`)
      : Prisma.sql`
        SELECT ${fields}, CASE WHEN retired_id = ${id} THEN ${id} ELSE survivor_id END, true
        FROM merge WHERE id = ${after}::uuid`;
  return tx.$queryRaw<StoredRow[]>`
    WITH RECURSIVE walk AS (
      SELECT * FROM (${begin}) AS first (id, seq, survivor_id, retired_id, undone_at, list_id, is_left)
      UNION ALL
      SELECT ${fields}, list_id, is_left FROM (SELECT next.* FROM walk, LATERAL (
        SELECT 1 AS choice, * FROM (${oldest(Prisma.sql`walk.retired_id`, Prisma.sql`0`)}) AS inner_merge
        WHERE NOT walk.is_left AND walk.undone_at IS NULL
        UNION ALL
        SELECT 2, walk.id, walk.seq, walk.survivor_id, walk.retired_id, walk.undone_at, walk.list_id, true
        WHERE NOT walk.is_left
        UNION ALL
        SELECT 3, * FROM (${oldest(Prisma.sql`walk.list_id`, Prisma.sql`walk.seq`)}) AS sibling
        WHERE walk.is_left
        UNION ALL
        SELECT 4, ${fields}, survivor_id, true FROM merge AS parent
        WHERE walk.is_left AND walk.list_id <> ${id} AND parent.retired_id = walk.list_id AND parent.undone_at IS NULL
        ORDER BY choice LIMIT 1
      ) AS next) AS step
    )
    SELECT ${STORED} FROM (
      SELECT id AS left_id, row_number() OVER () AS ordinal FROM walk
      WHERE is_left AND id IS DISTINCT FROM ${after ?? null}::uuid LIMIT ${limit}
    ) AS page, LATERAL (SELECT * FROM merge WHERE id = left_id LIMIT 1) AS merge
    ORDER BY ordinal`;
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

/** The undone merges of some accounts. They include those of an address, because its claims lead to the account. */
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
 * What an undo has to know about the time since the merge. It stays true until the commit if the locks on the merge's
 * addresses and accounts are held: without them, no transaction can merge or undo anything of its survivor.
 */
export async function loadSinceMerge(tx: Queries, mergeId: string): Promise<SinceMerge> {
  const [row] = await tx.$queryRaw<SinceMerge[]>`
    SELECT m.undone_at IS NOT NULL AS undone,
      EXISTS (
        SELECT FROM merge later WHERE later.survivor_id = m.survivor_id AND later.seq > m.seq AND later.undone_at IS NULL
      ) OR EXISTS (
        SELECT FROM merge later WHERE later.retired_id = m.survivor_id AND later.seq > m.seq AND later.undone_at IS NULL
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
