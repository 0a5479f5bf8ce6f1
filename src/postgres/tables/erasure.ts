/** Keyed hashes of erased addresses and accounts, and the checks that every process uses the same key. */
import { createHmac } from 'node:crypto';
import type { ContactEvent, Time } from '../../contacts/facts/event';
import { namedAddress } from '../../contacts/facts/record';
import { OperatorError } from '../../foundation/operator-error';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

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

/** Stores the hashes of an erased person; of a hash that is stored already the later time stays. */
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
 * Call it under the locks on what the events name, so that an erasure in progress has been waited for.
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

/** The times of those of these hashes that are stored. */
async function timesOf(db: Queries, hashes: ReadonlySet<string>): Promise<Map<string, Time>> {
  if (hashes.size === 0) return new Map();
  const rows = await db.$queryRaw<{ hash: string; at: number }[]>`
    SELECT encode(hash, 'hex') AS hash, (extract(epoch FROM at) * 1000)::float8 AS at
    FROM erasure WHERE hash = ANY (ARRAY (SELECT decode(hex, 'hex') FROM unnest(${arrayLiteral([...hashes])}::text[]) AS hex))`;
  return new Map(rows.map(({ hash, at }) => [hash, at]));
}

/**
 * Refuses a missing key, or another key than that of the stored hashes: with it, late events would bring the erased
 * back.
 *
 * @throws OperatorError
 */
export async function requireErasureKey(db: Queries, erasureKey: string | null): Promise<void> {
  const check = erasureKey === null ? '' : erasureHash(erasureKey, { kind: 'check' });
  const [found] = await db.$queryRaw<{ some: boolean; ours: boolean }[]>`
    SELECT EXISTS (SELECT FROM erasure) AS some,
      EXISTS (SELECT FROM erasure WHERE hash = decode(${check}, 'hex')) AS ours`;
  if (!found?.some || found.ours) return;
  throw new OperatorError(
    erasureKey === null
      ? 'People were erased from this database, and ERASURE_KEY is not set: set it to the key that they were erased with, or late events would bring them back.'
      : 'ERASURE_KEY is not the key that people were erased with from this database: set it to that one, or late events would bring them back.',
  );
}

const SERVICE = 'onecontact';

/** The name of a service's database sessions; it shows an erasure which key the service has. */
export const serviceSession = (erasureKey: string | null): string =>
  erasureKey === null ? SERVICE : `${SERVICE}, erasure key ${erasureHash(erasureKey, { kind: 'check' }).slice(0, 8)}`;

/**
 * Refuses while a service without this key runs on the database: it was started before the first erasure.
 *
 * @throws OperatorError
 */
export async function requireKeyOfServices(db: Queries, erasureKey: string): Promise<void> {
  const [others] = await db.$queryRaw<{ some: boolean }[]>`
    SELECT EXISTS (
      SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND application_name <> ${serviceSession(erasureKey)}
        AND (application_name = ${SERVICE} OR application_name LIKE ${`${SERVICE}, erasure key %`})) AS some`;
  if (!others?.some) return;
  throw new OperatorError(
    'A service is running on this database without this ERASURE_KEY: restart it with the key first, or late events would bring the erased back.',
  );
}
