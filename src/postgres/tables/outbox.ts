import type { Trace } from '../../contacts/facts/event';
import type { ChangedPart } from '../../contacts/profile/changed-parts';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import type { RaisedContact } from '../raised';
import { type Columns, inOneStatement, namesOf, rowSource, type Write } from '../statement';
import { insertChanges } from './outbox-changes';

export interface OutboxMessage {
  /** The broker's `messageId`, the same each time the message is published. */
  messageId: string;
  contactId: string;
  /** The type of the message, which is also its routing key. */
  type: string;
  /** The header `schema-version`: the version of the program that wrote the message, not of the one that publishes it. */
  schemaVersion: number;
  body: unknown;
  /** The source of the headers `traceparent` and `tracestate`. */
  trace?: Trace | undefined;
}

const COLUMNS: Columns<OutboxMessage> = {
  message_id: ['uuid', ({ messageId }) => messageId],
  contact_id: ['uuid', ({ contactId }) => contactId],
  type: ['text', ({ type }) => type],
  schema_version: ['int', ({ schemaVersion }) => schemaVersion],
  body: ['json', ({ body }) => JSON.stringify(body)],
  traceparent: ['text', ({ trace }) => trace?.parent ?? null],
  tracestate: ['text', ({ trace }) => trace?.state ?? null],
};

/**
 * Adds messages in their order: the relay publishes a contact's messages in the order of their rows.
 *
 * @param changed contacts with a new version: the relay publishes a `contact.changed` for each, after the messages
 */
export async function addToOutbox(
  tx: Queries,
  messages: readonly OutboxMessage[],
  changed: readonly RaisedContact[] = [],
): Promise<void> {
  await inOneStatement(tx, [insertMessages(messages), insertChanges(changed)]);
}

function insertMessages(messages: readonly OutboxMessage[]): Write {
  if (messages.length === 0) return null;
  return Prisma.sql`
    INSERT INTO outbox (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(messages, COLUMNS)}
    ORDER BY ordinal`;
}

/** Whether a message still waits to be published. */
export async function isInOutbox(db: Queries, messageId: string): Promise<boolean> {
  const rows = await db.$queryRaw<object[]>`SELECT seq FROM outbox WHERE message_id = ${messageId}::uuid`;
  return rows.length > 0;
}

/** A message of the outbox, or one message of a row of `outbox_changes`: all messages of such a row have its `seq`. */
export interface PendingMessage extends Omit<OutboxMessage, 'body' | 'schemaVersion'> {
  seq: bigint;
  content: Written | ChangedContact;
  createdAt: Date;
}

interface Written {
  schemaVersion: number;
  /** JSON, as it was written. */
  body: string;
}

/** The parts from which the message is made when it is published. */
interface ChangedContact {
  version: number;
  parts: readonly ChangedPart[];
}

/**
 * The oldest unpublished messages, for one relay at a time: other relays get none until this transaction ends. A single
 * relay keeps the order of each contact's messages, whichever process it runs in.
 *
 * @param max whole rows are taken, until they have at least this many messages
 * @param changesAfterMs changes that no other message follows are taken only once they have waited this long
 */
export async function takeFromOutbox(tx: Queries, max: number, changesAfterMs = 0): Promise<PendingMessage[]> {
  const [lock] = await tx.$queryRaw<
    { mine: boolean }[]
  >`SELECT pg_try_advisory_xact_lock(${RELAY_LOCK}::bigint) AS mine`;
  if (!lock?.mine) return [];
  const rows = await tx.$queryRaw<Row[]>`
    SELECT seq, array_to_string(message_ids, ',') AS message_ids, array_to_string(contact_ids, ',') AS contact_ids, type,
      schema_version, body::text AS body, array_to_string(versions, ',') AS versions, array_to_string(parts, ',') AS parts,
      created_at, traceparent, tracestate
    FROM (
      SELECT *, sum(coalesce(cardinality(versions), 1)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS earlier
      FROM (
        (SELECT seq, ARRAY[message_id] AS message_ids, ARRAY[contact_id] AS contact_ids, type, schema_version, body,
           NULL::int[] AS versions, NULL::text[] AS parts, created_at, traceparent, tracestate
         FROM outbox ORDER BY seq LIMIT ${max})
        UNION ALL
        (SELECT seq, message_ids, contact_ids, 'contact.changed', NULL, NULL, versions, parts, created_at, NULL, NULL
         FROM outbox_changes
         WHERE created_at <= now() - ${changesAfterMs} * interval '1 ms' OR seq < (SELECT max(seq) FROM outbox)
         ORDER BY seq LIMIT ${max})
      ) AS pending
    ) AS counted
    WHERE coalesce(earlier, 0) < ${max} ORDER BY seq`;
  return rows.flatMap(messagesOf);
}

interface Row {
  seq: bigint;
  message_ids: string;
  contact_ids: string;
  type: string;
  schema_version: number | null;
  body: string | null;
  /** Null in a row of the outbox. */
  versions: string | null;
  parts: string | null;
  created_at: Date;
  traceparent: string | null;
  tracestate: string | null;
}

function messagesOf({ seq, type, created_at: createdAt, ...row }: Row): PendingMessage[] {
  const messageIds = row.message_ids.split(',');
  const contactIds = row.contact_ids.split(',');
  if (row.versions === null || row.parts === null) {
    const { traceparent, tracestate, schema_version, body } = row;
    const trace = traceparent === null ? undefined : { parent: traceparent, ...(tracestate && { state: tracestate }) };
    const content = { schemaVersion: schema_version as number, body: body as string };
    return [
      { seq, type, createdAt, trace, content, messageId: messageIds[0] as string, contactId: contactIds[0] as string },
    ];
  }
  const parts = row.parts.split(',') as ChangedPart[];
  return row.versions.split(',').map((version, place) => ({
    ...{ seq, type, createdAt, content: { version: Number(version), parts } },
    messageId: messageIds[place] as string,
    contactId: contactIds[place] as string,
  }));
}

/** Counting stops here, because it would read the whole table. */
const COUNTED = 100_000;

/** The number of unpublished messages, up to {@link COUNTED} of each kind, and the age of the oldest. */
export async function outboxState(db: Queries): Promise<{ pending: number; oldestSeconds: number }> {
  const [row] = await db.$queryRaw<{ pending: number; oldest: number | null }[]>`
    SELECT
      (SELECT count(*)::int FROM (SELECT 1 FROM outbox LIMIT ${COUNTED}) AS x)
        + least(${COUNTED}, (
            SELECT coalesce(sum(cardinality(versions)), 0)::int FROM (SELECT versions FROM outbox_changes LIMIT ${COUNTED}) AS y)
          ) AS pending,
      extract(epoch FROM now() - least(
        (SELECT created_at FROM outbox ORDER BY seq LIMIT 1),
        (SELECT created_at FROM outbox_changes ORDER BY seq LIMIT 1)))::float8 AS oldest`;
  return { pending: row?.pending ?? 0, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
}

/** Which notifications of a contact wait to be published. */
export interface WaitingMessages {
  messages: { type: string; messageId: string; createdAt: Date }[];
  /** Whether more wait than were searched. */
  isPartial: boolean;
}

/** Notifications are in no order of contacts, so only the oldest are searched. */
const SEARCHED = 2_000;

/** @param messageIds those of further messages: `contact.merged` is the survivor's */
export async function findWaiting(
  db: Queries,
  contactId: string,
  messageIds: readonly string[] = [],
): Promise<WaitingMessages> {
  const rows = await db.$queryRaw<(WaitingMessages['messages'][number] & { isPartial: boolean })[]>`
    SELECT waiting.type, waiting.message_id AS "messageId", waiting.created_at AS "createdAt", size.more AS "isPartial"
    FROM (
      SELECT greatest(
        (SELECT count(*) FROM (SELECT seq FROM outbox ORDER BY seq LIMIT ${SEARCHED + 1}) AS x),
        (SELECT count(*) FROM (SELECT seq FROM outbox_changes ORDER BY seq LIMIT ${SEARCHED + 1}) AS y)) > ${SEARCHED} AS more
    ) AS size
    LEFT JOIN (
      SELECT seq, type, message_id, created_at
      FROM (SELECT seq, type, message_id, contact_id, created_at FROM outbox ORDER BY seq LIMIT ${SEARCHED}) AS oldest
      WHERE contact_id = ${contactId}::uuid OR message_id = ANY (${arrayLiteral(messageIds)}::uuid[])
      UNION ALL
      SELECT seq, 'contact.changed', changed.message_id, created_at
      FROM (SELECT seq, contact_ids, message_ids, created_at FROM outbox_changes ORDER BY seq LIMIT ${SEARCHED}) AS oldest,
        LATERAL unnest(contact_ids, message_ids) AS changed (contact_id, message_id)
      WHERE changed.contact_id = ${contactId}::uuid
    ) AS waiting ON true
    ORDER BY waiting.seq`;
  return {
    messages: rows.flatMap(({ isPartial: _, ...row }) => (row.type === null ? [] : row)),
    isPartial: rows[0]?.isPartial ?? false,
  };
}

/** An arbitrary number, the same in every process. */
const RELAY_LOCK = 7_261_001;

/** Waits until the relay is between two passes, and keeps all relays from starting another until the commit. */
export async function holdRelay(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${RELAY_LOCK}::bigint)`;
}

/** Deletes rows of the outbox and of `outbox_changes`. */
export async function deleteFromOutbox(tx: Queries, seqs: readonly bigint[]): Promise<void> {
  if (seqs.length === 0) return;
  const rows = Prisma.sql`ANY (${arrayLiteral(seqs.map(String))}::bigint[])`;
  await tx.$executeRaw`
    WITH changes AS (DELETE FROM outbox_changes WHERE seq = ${rows}) DELETE FROM outbox WHERE seq = ${rows}`;
}
