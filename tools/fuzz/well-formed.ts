import { normaliseAddress, storedKeyOf } from '../../src/contacts/facts/address';
import { isRefusalAct } from '../../src/contacts/facts/facts';
import { DEAD_LETTER_REASONS, DETAIL_FIELDS, type Decoded } from '../../src/messages/incoming/decoded';

const REASONS = new Set<string>(DEAD_LETTER_REASONS);
const DETAILS = new Set<string>(DETAIL_FIELDS);
const DAY_MS = 86_400_000;

/** @returns the first broken guarantee of a decoded message; undefined if it keeps them all */
export function problemOf(decoded: Decoded, now: number): string | undefined {
  if (decoded.kind === 'ignored') return /^[a-zA-Z:-]{1,30}$/.test(decoded.type) ? undefined : 'type of an ignored one';
  if (decoded.kind === 'dead') {
    if (!REASONS.has(decoded.reason)) return 'reason';
    if (decoded.problems.length < 1) return 'number of problems';
    return problemIn(decoded.problems);
  }
  const { event, dropped, partial } = decoded;
  if (!dropped.every((field) => DETAILS.has(field))) return 'dropped';
  const problem = problemIn(partial);
  if (problem !== undefined) return problem;
  if (!Number.isSafeInteger(event.at) || event.at < Date.UTC(2010, 0, 1) || event.at > now + DAY_MS) return 'time';
  if (event.trigger.id === '' || event.trigger.id.length > 255) return 'trigger';
  if (event.kind !== 'newsletter' && !/^[0-9a-f]{32}$/.test(event.uid)) return 'uid';
  if (event.kind !== 'deletion' && new Set(event.newsletters).size !== event.newsletters.length) return 'newsletters';
  for (const text of textsOf(event)) if (/[\0\p{Cs}]/u.test(text) || text.length > 2_000) return 'text';
  const address =
    event.kind === 'claim' ? event.address : event.kind === 'newsletter' && 'address' in event.to && event.to.address;
  if (!address) return undefined;
  const isStoredOnly = event.kind === 'newsletter' && 'address' in event.to && event.to.onlyIfStored === true;
  if (isStoredOnly && !isRefusalAct(event.act)) return 'an act at a refused address';
  if (isStoredOnly && event.act === 'set' && event.newsletters.length > 0) return 'a sign-up at a refused address';
  if (normaliseAddress(address.typed).ok === isStoredOnly) return 'address';
  return storedKeyOf(address.typed) === address.key ? undefined : 'address';
}

function problemIn(problems: readonly string[]): string | undefined {
  if (problems.length > 21) return 'number of problems';
  const isOne = (problem: string): boolean => /^(?:[a-zA-Z_]+[a-zA-Z0-9_.]*: .+|and \d+ more)$/.test(problem);
  return problems.every(isOne) ? undefined : 'problem';
}

function* textsOf(value: unknown): Iterable<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) yield* textsOf(inner);
}
