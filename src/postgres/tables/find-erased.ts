import type { ContactEvent, Time } from '../../contacts/facts/event';
import { namedAddress } from '../../contacts/facts/record';
import type { Queries } from '../database';
import { erasureHash, type Hashed } from './erasure-key';

/**
 * Which events name an address or an account that was erased, and are not newer than that.
 *
 * Under the locks on what they name, so that an erasure that was going on has been waited for.
 *
 * @returns the events themselves
 */
export async function findErased<E extends ContactEvent>(
  tx: Queries,
  events: readonly E[],
  erasureKey: string,
): Promise<E[]> {
  const erasedAt = await erasureTimes(
    tx,
    events.map((event) => namedIn(event)),
    erasureKey,
  );
  return events.filter((event, i) => event.at <= (erasedAt[i] as Time));
}

/** The latest erasure of each of these groups of names; minus infinity where none of them was erased. */
export async function erasureTimes(
  tx: Queries,
  named: readonly (readonly Hashed[])[],
  erasureKey: string,
): Promise<Time[]> {
  const hashed = named.map((names) => names.map((it) => erasureHash(erasureKey, it)));
  const hashes = [...new Set(hashed.flat())];
  if (hashes.length === 0) return named.map(() => Number.NEGATIVE_INFINITY);
  const rows = await tx.$queryRaw<{ hash: string; at: number }[]>`
    SELECT encode(hash, 'hex') AS hash, (extract(epoch FROM at) * 1000)::float8 AS at
    FROM erasure WHERE hash = ANY (ARRAY (SELECT decode(hex, 'hex') FROM unnest(${hashes}::text[]) AS hex))`;
  const erasedAt = new Map(rows.map(({ hash, at }) => [hash, at]));
  return hashed.map((group) => Math.max(...group.map((hash) => erasedAt.get(hash) ?? Number.NEGATIVE_INFINITY)));
}

function namedIn(event: ContactEvent): Hashed[] {
  const address = namedAddress(event);
  return [
    ...(address ? [{ kind: 'address' as const, key: address.key }] : []),
    ...(event.kind === 'newsletter' ? [] : [{ kind: 'account' as const, key: event.uid }]),
  ];
}
