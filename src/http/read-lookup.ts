/** Reads the body of a look-up of many contacts. Problems name places, never values, which are addresses and tokens. */
import { accountKey, emailKey, idKey, type LookupKey, tokenKey } from '../contacts/facts/lookup-key';
import { type LookupKeyBody, LookupRequest, MAX_KEYS } from '../messages/http/schemas';
import type { Problem } from './answers';

type Read = { keys: LookupKey[] } | { problems: Problem[] } | { tooMany: string };

/** Enough for the highest number of keys with the longest addresses. */
export const MOST_BYTES = 262_144;

type KeyName = 'email' | 'token' | 'account' | 'id';

const KEYS: Record<KeyName, { parse: (text: string) => LookupKey | undefined; problem: string }> = {
  email: { parse: emailKey, problem: 'must be an email address' },
  token: { parse: tokenKey, problem: 'must be a uuid' },
  account: { parse: accountKey, problem: 'must be 32 hexadecimal digits, or a uuid' },
  id: { parse: idKey, problem: 'must be a uuid' },
};

export function readLookup(body: unknown): Read {
  if (hasTooManyKeys(body)) return { tooMany: `keys: must be a list of at most ${MAX_KEYS} keys` };
  const { data, error } = LookupRequest.safeParse(body);
  if (error) return { problems: error.issues.map(({ path, message }) => ({ place: placeOf(path), problem: message })) };
  const keys: LookupKey[] = [];
  const problems: Problem[] = [];
  for (const [place, given] of data.keys.entries()) {
    const [name, text] = onlyEntry(given);
    const key = KEYS[name].parse(text);
    if (key) keys.push(key);
    else problems.push({ place: placeOf(['keys', place, name]), problem: KEYS[name].problem });
  }
  return problems.length > 0 ? { problems } : { keys };
}

/** Checked first, because each key of a longer list could be a problem of its own. */
const hasTooManyKeys = (body: unknown): boolean => {
  const keys = (body as { keys?: unknown } | null)?.keys;
  return Array.isArray(keys) && keys.length > MAX_KEYS;
};

const onlyEntry = (key: LookupKeyBody): [KeyName, string] => Object.entries(key)[0] as [KeyName, string];

const placeOf = (path: readonly PropertyKey[]): string =>
  path
    .map((part, depth) => (typeof part === 'number' ? `[${part}]` : `${depth > 0 ? '.' : ''}${String(part)}`))
    .join('');
