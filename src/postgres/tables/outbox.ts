import type { Trace } from '../../contacts/facts/event';
import type { Queries } from '../database';
import { type Columns, namesOf, rowSource } from '../statement';

export interface OutboxMessage {
  /** The broker's `messageId`, the same each time the message is published. */
  messageId: string;
  contactId: string;
  /** Also the routing key. */
  type: string;
  /** The header `schema-version`: of the program that wrote the message, whichever publishes it. */
  schemaVersion: number;
  body: unknown;
  /** For the headers `traceparent` and `tracestate`. */
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

/** Adds messages in their order: the relay publishes a contact's messages in the order of their rows. */
export async function addToOutbox(tx: Queries, messages: readonly OutboxMessage[]): Promise<void> {
  if (messages.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO outbox (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(messages, COLUMNS)}
    ORDER BY ordinal`;
}

export interface PendingMessage extends Omit<OutboxMessage, 'body'> {
  seq: bigint;
  /** JSON, as it was written. */
  body: string;
  createdAt: Date;
}

/**
 * The oldest unpublished messages, for one relay at a time: other relays get none until this transaction ends. A single
 * relay keeps the order of each contact's messages, whichever process it runs in.
 */
export async function takeFromOutbox(tx: Queries, max: number): Promise<PendingMessage[]> {
  const [lock] = await tx.$queryRaw<
    { mine: boolean }[]
  >`SELECT pg_try_advisory_xact_lock(${RELAY_LOCK}::bigint) AS mine`;
  if (!lock?.mine) return [];
  const rows = await tx.$queryRaw<Row[]>`
    SELECT seq, message_id, contact_id, type, schema_version, body::text AS body, created_at, traceparent, tracestate
    FROM outbox ORDER BY seq LIMIT ${max}`;
  return rows.map((row) => ({
    seq: row.seq,
    messageId: row.message_id,
    contactId: row.contact_id,
    type: row.type,
    schemaVersion: row.schema_version,
    body: row.body,
    createdAt: row.created_at,
    trace:
      row.traceparent === null
        ? undefined
        : { parent: row.traceparent, ...(row.tracestate && { state: row.tracestate }) },
  }));
}

interface Row {
  seq: bigint;
  message_id: string;
  contact_id: string;
  type: string;
  schema_version: number;
  body: string;
  created_at: Date;
  traceparent: string | null;
  tracestate: string | null;
}

/** Counting further would read the whole table. */
const COUNTED = 100_000;

/** The number of unpublished messages, up to {@link COUNTED}, and the age of the oldest. */
export async function outboxState(db: Queries): Promise<{ pending: number; oldestSeconds: number }> {
  const [row] = await db.$queryRaw<{ pending: number; oldest: number | null }[]>`
    SELECT
      (SELECT count(*)::int FROM (SELECT 1 FROM outbox LIMIT ${COUNTED}) AS x) AS pending,
      (SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox ORDER BY seq LIMIT 1) AS oldest`;
  return { pending: row?.pending ?? 0, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
}

/** An arbitrary number, the same in every process. */
const RELAY_LOCK = 7_261_001;

/** Waits until the relay is between two passes, and keeps all relays from starting another until the commit. */
export async function holdRelay(tx: Queries): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${RELAY_LOCK}::bigint)`;
}

export async function deleteFromOutbox(tx: Queries, seqs: readonly bigint[]): Promise<void> {
  if (seqs.length > 0) await tx.$executeRaw`DELETE FROM outbox WHERE seq = ANY (${seqs}::bigint[])`;
}
