/** What operators changed: who, when, what and why. */
import type { Time } from '../../contacts/facts/event';
import type { Queries } from '../database';

/** Names of people are whole values, so that an erasure finds and replaces them. */
export type AuditDetails = Readonly<Record<string, unknown>>;

export interface AuditEntry {
  operator: string;
  /** As it is typed, such as `merges undo`. */
  command: string;
  /** What it changed. */
  target: AuditDetails;
  reason: string | null;
  /** What came of it; null while the command runs, and for good if it was interrupted. */
  result: AuditDetails | null;
}

export interface StoredAuditEntry extends AuditEntry {
  seq: bigint;
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

/** Entries of one page, newest first; the next page is before the last of them. */
export function listAudit(
  db: Queries,
  { command, operator, since, until, words }: AuditFilter,
  { limit, before }: { limit: number; before?: bigint | undefined },
): Promise<StoredAuditEntry[]> {
  const group = command === undefined ? null : `${command} `;
  return db.$queryRaw`
    SELECT seq, (extract(epoch FROM at) * 1000)::float8 AS at, operator, command, target, reason, result FROM audit
    WHERE (${before ?? null}::bigint IS NULL OR seq < ${before ?? null})
      AND (${command ?? null}::text IS NULL OR command = ${command ?? null} OR starts_with(command, ${group}))
      AND (${operator ?? null}::text IS NULL OR operator = ${operator ?? null})
      AND (${since ?? null}::float8 IS NULL OR at >= to_timestamp(${since ?? null}::float8 / 1000))
      AND (${until ?? null}::float8 IS NULL OR at < to_timestamp(${until ?? null}::float8 / 1000))
      AND (${words ?? null}::text[] IS NULL
        OR EXISTS (SELECT FROM unnest(${words ?? null}::text[]) AS word WHERE strpos(target::text, word) > 0))
    ORDER BY seq DESC LIMIT ${limit}`;
}

/** All entries page by page, oldest first. */
export async function* auditPages(db: Queries, since: Time | undefined, size = 500): AsyncIterable<StoredAuditEntry[]> {
  for (let after = 0n; ; ) {
    const page = await db.$queryRaw<StoredAuditEntry[]>`
      SELECT seq, (extract(epoch FROM at) * 1000)::float8 AS at, operator, command, target, reason, result FROM audit
      WHERE seq > ${after} AND (${since ?? null}::float8 IS NULL OR at >= to_timestamp(${since ?? null}::float8 / 1000))
      ORDER BY seq LIMIT ${size}`;
    const last = page.at(-1);
    if (!last) return;
    yield page;
    after = last.seq;
  }
}

/**
 * Entries that may be about a person: with one of these words in what the command changed, and all with text that an
 * operator wrote, which may name a person in any spelling.
 */
export function auditCandidates(tx: Queries, words: readonly string[]): Promise<StoredAuditEntry[]> {
  return tx.$queryRaw`
    SELECT seq, (extract(epoch FROM at) * 1000)::float8 AS at, operator, command, target, reason, result FROM audit
    WHERE reason IS NOT NULL OR strpos(operator, '@') > 0
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
