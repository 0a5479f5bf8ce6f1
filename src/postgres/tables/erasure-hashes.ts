import type { Time } from '../../contacts/facts/event';
import type { Queries } from '../database';
import { erasureHash, type Hashed } from './erasure-key';

/** Remembers, in keyed hashes, who was erased; of a hash that is there the later time stays. */
export async function saveErasureHashes(
  tx: Queries,
  erasureKey: string,
  { addresses, uids, at }: { addresses: readonly string[]; uids: readonly string[]; at: Time },
): Promise<void> {
  const hashed: Hashed[] = [
    { kind: 'check' },
    ...addresses.map((key): Hashed => ({ kind: 'address', key })),
    ...uids.map((key): Hashed => ({ kind: 'account', key })),
  ];
  const hashes = hashed.map((it) => erasureHash(erasureKey, it));
  await tx.$executeRaw`
    INSERT INTO erasure AS known (hash, at)
    SELECT decode(hex, 'hex'), to_timestamp(${at}::float8 / 1000) FROM unnest(${hashes}::text[]) AS hex
    ON CONFLICT (hash) DO UPDATE SET at = greatest(known.at, excluded.at)`;
}
