/**
 * Finds people in the body of a message. A dead letter may contain anything, so the search expects no format and never
 * throws.
 */
import { normaliseAddress } from '../contacts/facts/address';

/** The names by which people are found. */
export interface Names {
  /** Normalised. */
  addresses: readonly string[];
  uids?: readonly string[];
  tokens?: readonly string[];
}

/**
 * Words of which every JSON text that names any of these contains one, once it is in lower case. For an address, the word is
 * the local part: of the address as a reader typed it, only this part is certain to be the same, except for its case.
 */
export const wordsOf = ({ addresses, uids = [], tokens = [] }: Names): string[] => [
  ...addresses.map((address) => JSON.stringify(address.slice(0, address.indexOf('@') + 1)).slice(0, -1)),
  ...uids,
  ...tokens,
];

/** The bytes of a body that are searched. No publisher of ours sends more. */
const MAX_SEARCHED = 16 * 1_024 * 1_024;

/** Characters that end an address on either side, unless it is in quotes. */
const DELIMITERS = /[\s"<>()[\]:;,@]/;
/** Characters of a local part that also separate it from other text, as in `?email=ada@mail.test`. */
const SEPARATORS = /[!#$%&'*/=?^`{|}~]/;
/**
 * The characters of a domain, in any script. The limit is above every real domain, and bounds the work for a hostile
 * body.
 */
const DOMAIN = /[\p{L}\p{M}\p{N}.\u3002\uff0e\uff61\u00ad_-]{1,512}/uy;

/**
 * A search for any of some names, at any place of a body: in text, JSON, JSON inside JSON, or a URL. Addresses are found
 * in every spelling, but not as a part of a longer address. Compressed bodies are not opened.
 */
export function mentionsOf({ addresses, uids = [], tokens = [] }: Names): (body: Buffer | string) => boolean {
  const keys = [...uids.flatMap((uid) => [uid, asUuid(uid)]), ...tokens];
  const wanted = addresses.map((key) => ({ key, local: key.slice(0, key.lastIndexOf('@')) }));
  const isIn = (text: string): boolean => {
    if (keys.some((key) => text.includes(key))) return true;
    for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
      if (wanted.some((address) => isAt(text, at, address))) return true;
    }
    return false;
  };
  return (body) => {
    const text = unescaped(typeof body === 'string' ? body : body.subarray(0, MAX_SEARCHED).toString());
    return isIn(text) || (text.includes('%') && isIn(percentDecoded(text)));
  };
}

const asUuid = (uid: string): string => uid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/**
 * In lower case, without the escapes of JSON at any depth, and without zeros, which UTF-16 has between ASCII
 * characters.
 */
const unescaped = (text: string): string =>
  text
    .replace(/\0/g, '')
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\[bfnrt]/g, ' ')
    .replace(/\\/g, '')
    .toLowerCase();

const percentDecoded = (text: string): string =>
  text
    .replace(/(?:%[0-9a-f]{2}){1,512}/g, (encoded) => Buffer.from(encoded.replaceAll('%', ''), 'hex').toString())
    .toLowerCase();

/** Whether the text around an @ is the address. */
function isAt(text: string, at: number, { key, local }: { key: string; local: string }): boolean {
  const start = at - local.length;
  if (start < 0 || !text.startsWith(local, start)) return false;
  DOMAIN.lastIndex = at + 1;
  const [domain = ''] = DOMAIN.exec(text) ?? [];
  const normalised = normaliseAddress(`x@${domain.replace(/[.-]+$/, '')}`);
  if (!normalised.ok || normalised.address.key.slice(1) !== key.slice(local.length)) return false;
  const before = text.charAt(start - 1);
  if (before === '' || DELIMITERS.test(before)) return true;
  if (!SEPARATORS.test(before)) return false;
  // In quotes, as in "x=ada@mail.test", the whole text is one address, and a different one.
  let from = start - 1;
  while (from > 0 && !DELIMITERS.test(text.charAt(from - 1))) from -= 1;
  return !(text.charAt(from - 1) === '"' && text.charAt(at + 1 + domain.length) === '"');
}
