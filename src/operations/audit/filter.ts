import { erasureHash } from '../../postgres/tables/erasure';

/** What entries may be about. */
interface About {
  uids?: readonly string[];
  addresses?: readonly string[];
  /** Of contacts and merges. */
  ids?: readonly string[];
}

/** What an entry about one of these has in its target: the name, or the hash that an erasure left of it. */
export const wordsAbout = ({ uids = [], addresses = [], ids = [] }: About, erasureKey: string | null): string[] => [
  ...uids.flatMap((uid) => [uid, ...hashes(erasureKey, 'account', uid)]),
  // In quotes, because an address may be the end of another one.
  ...addresses.flatMap((address) => [JSON.stringify(address), ...hashes(erasureKey, 'address', address)]),
  ...ids,
];

const hashes = (erasureKey: string | null, kind: 'account' | 'address', key: string): string[] =>
  erasureKey === null ? [] : [erasureHash(erasureKey, { kind, key })];
