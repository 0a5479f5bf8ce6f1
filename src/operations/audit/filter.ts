import { erasureHash } from '../../postgres/tables/erasure';

/**
 * The words of which an entry about an account or an address has one in its target: the name, or the hash with which an
 * erasure replaced it. Undefined if every entry is wanted.
 */
export function wordsAbout(
  { uid, address }: { uid: string | undefined; address: string | undefined },
  erasureKey: string | null,
): string[] | undefined {
  const words = [
    ...(uid === undefined ? [] : [uid, ...hashes(erasureKey, 'account', uid)]),
    // In quotes, because an address may be the end of a longer one.
    ...(address === undefined ? [] : [JSON.stringify(address), ...hashes(erasureKey, 'address', address)]),
  ];
  return words.length === 0 ? undefined : words;
}

const hashes = (erasureKey: string | null, kind: 'account' | 'address', key: string): string[] =>
  erasureKey === null ? [] : [erasureHash(erasureKey, { kind, key })];
