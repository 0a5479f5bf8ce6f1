/** Keyed hashes of erased addresses and accounts, and checks that every process uses the same key. */
import { createHmac } from 'node:crypto';
import type { ContactEvent, Time } from '../../contacts/facts/event';
import { namedAddress } from '../../contacts/facts/record';
import { OperatorError } from '../../foundation/operator-error';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { failureOf, LOCK_NOT_AVAILABLE, WRONG_ERASURE_KEY } from '../errors';
import { Prisma } from '../generated/prisma/client';

/** What is hashed; `check` is a constant that identifies the key. */
export type Hashed = { kind: 'address' | 'account' | 'text'; key: string } | { kind: 'check' };

/** HMAC-SHA256, in hexadecimal digits. */
export const erasureHash = (erasureKey: string, hashed: Hashed): string =>
  createHmac('sha256', erasureKey)
    .update(`${hashed.kind}\0${hashed.kind === 'check' ? '' : hashed.key}`)
    .digest('hex');

/** The hashes of an erased person. */
export const erasureHashes = (
  erasureKey: string,
  { addresses, uids }: { addresses: readonly string[]; uids: readonly string[] },
): { addresses: string[]; accounts: string[] } => ({
  addresses: addresses.map((key) => erasureHash(erasureKey, { kind: 'address', key })),
  accounts: uids.map((key) => erasureHash(erasureKey, { kind: 'account', key })),
});

/** Stores the hashes of an erased person; if a hash is already stored, it keeps the later time. */
export async function saveErasureHashes(
  tx: Queries,
  erasureKey: string,
  { addresses, accounts, at }: { addresses: readonly string[]; accounts: readonly string[]; at: Time },
): Promise<void> {
  const hashes = [erasureHash(erasureKey, { kind: 'check' }), ...addresses, ...accounts];
  await tx.$executeRaw`
    INSERT INTO erasure AS known (hash, at)
    SELECT decode(hex, 'hex'), to_timestamp(${at}::float8 / 1000) FROM unnest(${arrayLiteral(hashes)}::text[]) AS hex
    ON CONFLICT (hash) DO UPDATE SET at = greatest(known.at, excluded.at)`;
}

/** Whether all hashes of each of these erasures are stored, with their time or a later one. */
export async function knownErasures(
  db: Queries,
  erasures: readonly { addresses: readonly string[]; accounts: readonly string[]; at: Time }[],
): Promise<boolean[]> {
  const groups = erasures.map(({ addresses, accounts }) => [...addresses, ...accounts]);
  const stored = await timesOf(db, new Set(groups.flat()));
  return erasures.map(({ at }, i) => (groups[i] ?? []).every((hash) => (stored.get(hash) ?? -Infinity) >= at));
}

/**
 * The events that name an erased address or account and are not newer than its erasure.
 *
 * Call it while the addresses and accounts of the events are locked: then no erasure of them is in progress.
 */
export async function findErased<E extends ContactEvent>(
  tx: Queries,
  events: readonly E[],
  erasureKey: string,
): Promise<E[]> {
  const erasedAt = await erasureTimes(tx, events.map(namedIn), erasureKey);
  return events.filter((event, i) => event.at <= (erasedAt[i] as Time));
}

function namedIn(event: ContactEvent): Hashed[] {
  const address = namedAddress(event);
  return [
    ...(address ? [{ kind: 'address' as const, key: address.key }] : []),
    ...(event.kind === 'newsletter' ? [] : [{ kind: 'account' as const, key: event.uid }]),
  ];
}

/** The latest erasure of each of these groups of names; minus infinity for a group without any. */
export async function erasureTimes(
  tx: Queries,
  named: readonly (readonly Hashed[])[],
  erasureKey: string,
): Promise<Time[]> {
  const hashed = named.map((names) => names.map((it) => erasureHash(erasureKey, it)));
  const erasedAt = await timesOf(tx, new Set(hashed.flat()));
  return hashed.map((group) => Math.max(...group.map((hash) => erasedAt.get(hash) ?? Number.NEGATIVE_INFINITY)));
}

/** The times of these hashes, as far as they are stored. */
async function timesOf(db: Queries, hashes: ReadonlySet<string>): Promise<Map<string, Time>> {
  if (hashes.size === 0) return new Map();
  const rows = await db.$queryRaw<{ hash: string; at: number }[]>`
    SELECT encode(hash, 'hex') AS hash, (extract(epoch FROM at) * 1000)::float8 AS at
    FROM erasure WHERE hash = ANY (ARRAY (SELECT decode(hex, 'hex') FROM unnest(${arrayLiteral([...hashes])}::text[]) AS hex))`;
  return new Map(rows.map(({ hash, at }) => [hash, at]));
}

/** Whether people were erased from the database with another key, or with a key although this process has none. */
const isWrongKey = (erasureKey: string | null): Prisma.Sql => Prisma.sql`
  EXISTS (SELECT FROM erasure) AND NOT EXISTS (SELECT FROM erasure WHERE hash = decode(${checkHash(erasureKey)}, 'hex'))`;

const checkHash = (erasureKey: string | null): string =>
  erasureKey === null ? '' : erasureHash(erasureKey, { kind: 'check' });

/** With a wrong key, or without one, late events would bring erased people back. */
export class WrongErasureKeyError extends OperatorError {
  readonly code = WRONG_ERASURE_KEY;

  constructor(erasureKey: string | null) {
    super(
      erasureKey === null
        ? 'People were erased from this database, and ERASURE_KEY is not set: set it to the key that they were erased with, or late events would bring them back.'
        : 'ERASURE_KEY is not the key with which people were erased from this database: set it to that key, or late events would bring them back.',
    );
  }
}

/** @throws WrongErasureKeyError */
export async function requireErasureKey(db: Queries, erasureKey: string | null): Promise<void> {
  const [key] = await db.$queryRaw<{ is_wrong: boolean }[]>`SELECT ${isWrongKey(erasureKey)} AS is_wrong`;
  if (key?.is_wrong) throw new WrongErasureKeyError(erasureKey);
}

/**
 * Checks the key in the same round trip as a query. The result stays true until the end of the transaction: the first erasure
 * waits for this transaction (see {@link awaitOtherKeys}), and then finds what it has stored.
 *
 * @throws WrongErasureKeyError
 */
export async function withErasureKey<Row extends object>(
  tx: Queries,
  erasureKey: string | null,
  query: Prisma.Sql,
): Promise<Row[]> {
  const rows = await tx.$queryRaw<(Row & { is_wrong: boolean; is_row: boolean })[]>`
    SELECT * FROM (SELECT ${isWrongKey(erasureKey)} AS is_wrong) AS key
    LEFT JOIN LATERAL (SELECT true AS is_row, found.* FROM (${query}) AS found) AS found ON true`;
  if (rows[0]?.is_wrong) throw new WrongErasureKeyError(erasureKey);
  return rows[0]?.is_row ? rows : [];
}

/** While the first erasure waits, other sessions wait with their next batch, so not for long. */
const FIRST_ERASURE_LOCK_TIMEOUT = '5s';

/**
 * Call it before the first erasure with a key. Waits for all transactions that have found no key, and keeps others from
 * looking for one until the commit. Call it before any row is locked.
 *
 * @throws OperatorError if one of them takes too long
 */
export async function awaitOtherKeys(tx: Queries, erasureKey: string): Promise<void> {
  const known = await tx.$queryRaw<object[]>`
    SELECT 1 FROM erasure WHERE hash = decode(${checkHash(erasureKey)}, 'hex')`;
  if (known.length > 0) return;
  await tx.$executeRaw`SELECT set_config('lock_timeout', ${FIRST_ERASURE_LOCK_TIMEOUT}, true)`;
  try {
    await tx.$executeRaw`LOCK TABLE erasure IN ACCESS EXCLUSIVE MODE`;
  } catch (error) {
    if (failureOf(error).code !== LOCK_NOT_AVAILABLE) throw error;
    throw new OperatorError(
      'Another session, such as a backup, is reading the table erasure, which the first erasure must lock: run the command again when that session has ended.',
      { cause: error },
    );
  }
  await tx.$executeRaw`SELECT set_config('lock_timeout', '0', true)`;
}
