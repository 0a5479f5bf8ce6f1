/** What operators changed: who, when, what and why. */
import type { Time } from '../../contacts/facts/event';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';

/** Names of people are whole values, so that an erasure finds and replaces them. */
export type AuditDetails = Readonly<Record<string, unknown>>;

/** The commands that are in the audit, as they are typed. */
export const AUDITED_COMMANDS = [
  'migrate',
  'topology',
  'import',
  'merges undo',
  'merges unblock',
  'collisions resolve',
  'opt-out',
  'erase',
  'erasures apply',
  'purge',
  'dead-letters replay',
  'dead-letters drop',
  'feed renew',
] as const;
export type AuditedCommand = (typeof AUDITED_COMMANDS)[number];

export interface AuditEntry {
  operator: string;
  command: AuditedCommand;
  /** What it changed. */
  target: AuditDetails;
  reason: string | null;
  /** The result; null while the command runs, and forever if it was interrupted. */
  result: AuditDetails | null;
}

export interface StoredAuditEntry extends Omit<AuditEntry, 'command'> {
  seq: bigint;
  /** Another release may have other commands. */
  command: string;
  at: Time;
}

/** @returns the key of the new entry, for {@link finishAuditEntry} */
export async function addToAudit(
  tx: Queries,
  { operator, command, target, reason, result }: AuditEntry,
): Promise<bigint> {
  const [row] = await tx.$queryRaw<{ seq: bigint }[]>`
    INSERT INTO audit (operator, command, target, reason, result)
    VALUES (${operator}, ${command}, ${JSON.stringify(target)}::json, ${reason}, ${jsonOrNull(result)}::json)
    RETURNING seq`;
  return (row as { seq: bigint }).seq;
}

export async function finishAuditEntry(db: Queries, seq: bigint, result: AuditDetails): Promise<void> {
  await db.$executeRaw`UPDATE audit SET result = ${jsonOrNull(result)}::json WHERE seq = ${seq}`;
}

const jsonOrNull = (details: AuditDetails | null): string | null => (details === null ? null : JSON.stringify(details));

export interface AuditFilter {
  /** A command, or a group of commands such as `merges`. */
  command?: string | undefined;
  operator?: string | undefined;
  since?: Time | undefined;
  until?: Time | undefined;
  /** Texts, of which the target must have one. */
  words?: readonly string[] | undefined;
}

const ENTRY = Prisma.sql`
  seq, (extract(epoch FROM at) * 1000)::float8 AS at, operator, command, target, reason, result`;

const timeOf = (at: Time): Prisma.Sql => Prisma.sql`to_timestamp(${at}::float8 / 1000)`;

/**
 * The entries of one page, newest first; the next page begins after the last of them. Reads the entries of the given
 * operator and time until the page is full, because no index in this order has the other conditions.
 */
export function listAudit(
  db: Queries,
  { command, operator, since, until, words }: AuditFilter,
  { limit, before }: { limit: number; before?: Pick<StoredAuditEntry, 'at' | 'seq'> | undefined },
): Promise<StoredAuditEntry[]> {
  const place = before ? Prisma.sql`${timeOf(before.at)}, ${before.seq}` : Prisma.sql`'infinity'::timestamptz, 0`;
  const conditions = [
    operator === undefined
      ? Prisma.sql`(at, seq) < (${place})`
      : // Only the index of operators can serve this: by another one, the planner might read the whole audit.
        Prisma.sql`operator >= ${operator} AND (operator, at, seq) < (${operator}, ${place})`,
    since === undefined ? undefined : Prisma.sql`at >= ${timeOf(since)}`,
    until === undefined ? undefined : Prisma.sql`at < ${timeOf(until)}`,
    command === undefined ? undefined : Prisma.sql`(command = ${command} OR starts_with(command, ${`${command} `}))`,
    words && hasOneOf(words),
  ].filter((condition) => condition !== undefined);
  const first = operator === undefined ? Prisma.empty : Prisma.sql`operator DESC,`;
  return db.$queryRaw`
    SELECT ${ENTRY} FROM audit WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY ${first} audit.at DESC, seq DESC LIMIT ${limit}`;
}

/** Entries about a reader are in no order of readers, so only the newest are searched. */
export const SEARCHED_ENTRIES = 2_000;

/** The newest entries whose target has one of these texts, of the newest {@link SEARCHED_ENTRIES}. */
export const findInAudit = (db: Queries, words: readonly string[], limit: number): Promise<StoredAuditEntry[]> =>
  db.$queryRaw`
    SELECT ${ENTRY} FROM (SELECT * FROM audit ORDER BY at DESC, seq DESC LIMIT ${SEARCHED_ENTRIES}) AS audit
    WHERE ${hasOneOf(words)} ORDER BY audit.at DESC, seq DESC LIMIT ${limit}`;

const hasOneOf = (words: readonly string[]): Prisma.Sql =>
  Prisma.sql`EXISTS (SELECT FROM unnest(${words}::text[]) AS word WHERE strpos(target::text, word) > 0)`;

/** Null for an unknown key. */
export async function findAuditEntry(db: Queries, seq: bigint): Promise<StoredAuditEntry | null> {
  const [entry] = await db.$queryRaw<StoredAuditEntry[]>`SELECT ${ENTRY} FROM audit WHERE seq = ${seq}::bigint`;
  return entry ?? null;
}

/**
 * Entries about a merge, newest first: the release or unblock that it came from, which was written in the same transaction
 * and so has its time, the undo, and unblocks after it.
 */
export function auditOfMerge(
  db: Queries,
  { id, uid, mergedAt }: { id: string; uid: string; mergedAt: Date },
): Promise<StoredAuditEntry[]> {
  return db.$queryRaw`
    SELECT ${ENTRY} FROM (
      SELECT * FROM audit WHERE command IN ('collisions resolve', 'merges unblock') AND at = ${mergedAt}
        AND strpos(target::text, ${uid}) > 0
      UNION ALL
      SELECT * FROM audit WHERE command IN ('merges undo', 'merges unblock') AND at >= ${mergedAt}
        AND target ->> 'merge_id' = ${id}
    ) AS audit ORDER BY seq DESC LIMIT 50`;
}

/** All entries page by page, oldest first. */
export async function* auditPages(db: Queries, since: Time = 0, size = 500): AsyncIterable<StoredAuditEntry[]> {
  for (let [at, seq] = [since, 0n]; ; ) {
    const page = await db.$queryRaw<StoredAuditEntry[]>`
      SELECT ${ENTRY} FROM audit WHERE (at, seq) > (${timeOf(at)}, ${seq}) ORDER BY audit.at, seq LIMIT ${size}`;
    const last = page.at(-1);
    if (!last) return;
    yield page;
    ({ at, seq } = last);
  }
}

/**
 * Matches every text that may name a person: it has an @, plain or encoded, or the beginning of a uid, a token or an id. It
 * spares `erase` from reading every reason.
 */
const MAY_NAME_A_PERSON = '[@%\\\\]|[0-9a-f]{8}';

/**
 * Entries that may be about a person: those with one of these words in what the command changed, and those with an operator's
 * text that may name a person in any spelling.
 */
export function auditCandidates(tx: Queries, words: readonly string[]): Promise<StoredAuditEntry[]> {
  return tx.$queryRaw`
    SELECT ${ENTRY} FROM audit
    WHERE reason ~* ${MAY_NAME_A_PERSON} OR operator ~* ${MAY_NAME_A_PERSON}
      OR EXISTS (
        SELECT FROM unnest(${words}::text[]) AS word
        WHERE strpos(lower(target::text COLLATE "C"), word) > 0 OR strpos(lower(result::text COLLATE "C"), word) > 0)
    ORDER BY seq FOR UPDATE`;
}

export async function rewriteAuditEntry(
  tx: Queries,
  { seq, operator, target, reason, result }: Omit<StoredAuditEntry, 'at' | 'command'>,
): Promise<void> {
  await tx.$executeRaw`
    UPDATE audit SET operator = ${operator}, target = ${JSON.stringify(target)}::json, reason = ${reason},
      result = ${jsonOrNull(result)}::json
    WHERE seq = ${seq}`;
}
