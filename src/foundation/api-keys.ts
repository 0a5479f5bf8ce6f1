/** The keys of the HTTP server, as API_KEYS_FILE lists them: `NAME SCOPE[,SCOPE] KEY`, one per line. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { OperatorError } from './operator-error';

/** What a key permits. No scope includes another. */
export const SCOPES = ['read', 'write', 'vouch', 'operate'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  /** Shown in metrics, which never show the key itself. */
  name: string;
  scopes: ReadonlySet<Scope>;
  digest: Buffer;
}

/** The label of requests without a key. */
export const NO_KEY = 'none';

/** Digests have the same length whatever was sent, so comparing them takes the same time. */
export const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest();

/** The key that was sent. Takes the same time for every wrong one. */
export function findKey(sent: string, keys: readonly ApiKey[]): ApiKey | undefined {
  const digest = digestOf(sent);
  return keys.filter((key) => timingSafeEqual(key.digest, digest))[0];
}

/** The key of API_KEY. */
export const defaultKey = (key: string): ApiKey => ({
  name: 'default',
  scopes: new Set(['read']),
  digest: digestOf(key),
});

/**
 * @param others keys that no line may repeat
 * @throws OperatorError that names the line, and never shows a key
 */
export function parseApiKeys(text: string, others: readonly ApiKey[] = []): ApiKey[] {
  const keys: ApiKey[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const key = parseLine(line.trim());
    const problem = typeof key === 'string' ? key : repeated(key, [...others, ...keys]);
    if (problem !== undefined) throw new OperatorError(`line ${index + 1}: ${problem}`);
    keys.push(key as ApiKey);
  }
  if (keys.length === 0) throw new OperatorError('has no key');
  return keys;
}

/** @returns the key, or what is wrong */
function parseLine(line: string): ApiKey | string {
  const [name = '', list = '', key = '', ...more] = line.split(/\s+/);
  if (key === '' || more.length > 0) return 'must be NAME SCOPE[,SCOPE] KEY, with spaces between';
  if (!/^[\w.-]{1,64}$/.test(name)) return 'the name must be 1 to 64 letters, digits, dots, hyphens and underscores';
  if (name === NO_KEY) return `the name must not be ${NO_KEY}, which stands for requests without a key`;
  const scopes = list.split(',');
  if (!scopes.every(isScope)) return `a scope must be one of ${SCOPES.join(', ')}`;
  if (!/^[\x21-\x7e]+$/.test(key)) return 'the key must be printable ASCII: it is sent as a bearer token';
  return { name, scopes: new Set(scopes), digest: digestOf(key) };
}

const isScope = (text: string): text is Scope => SCOPES.some((scope) => scope === text);

function repeated({ name, digest }: ApiKey, earlier: readonly ApiKey[]): string | undefined {
  if (earlier.some((key) => key.name === name)) return `the name ${name} is taken: give each key its own`;
  if (earlier.some((key) => key.digest.equals(digest)))
    return 'the key is listed under another name already: give each name a key of its own';
  return undefined;
}
