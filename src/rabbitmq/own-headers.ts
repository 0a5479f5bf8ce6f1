import { DEAD_LETTERS, HEADERS, RETRY_DELAYS } from './names';

/** The latest deaths that a replay carries. */
export const MAX_EARLIER = 10;
/** More than any count can reach. */
const MAX_COUNT = 1_000_000;

/** A time as `Date.toISOString` writes it. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const isText = (value: unknown): boolean => typeof value === 'string';
const isInstant = (value: unknown): boolean =>
  typeof value === 'string' && INSTANT.test(value) && !Number.isNaN(Date.parse(value));
const isCount =
  (max = MAX_COUNT) =>
  (value: unknown): boolean =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max;

/** Whether it can be an entry of `earlier-deaths`, whose own fields have texts and numbers only. */
const isDeath = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((field) => typeof field === 'string' || typeof field === 'number');

/** Which values our own headers can have while a message waits to be handled. */
const BOUNDS = new Map<string, (value: unknown) => boolean>([
  [HEADERS.attempts, isCount(RETRY_DELAYS.length)],
  [HEADERS.waits, isCount()],
  [HEADERS.delay, isText],
  [HEADERS.reason, isText],
  [HEADERS.error, isText],
  [HEADERS.originQueue, isText],
  [HEADERS.firstSeen, isInstant],
  [HEADERS.lastSeen, isInstant],
  [HEADERS.replays, isCount()],
  [HEADERS.earlierAttempts, isCount()],
  [HEADERS.earlierDeaths, (value) => Array.isArray(value) && value.length <= MAX_EARLIER && value.every(isDeath)],
  [HEADERS.round, isText],
]);

/** A dead letter has failed once more than a message that waits. */
const DEAD_BOUNDS = new Map(BOUNDS).set(HEADERS.attempts, isCount(RETRY_DELAYS.length + 1));

type Received = Readonly<Record<string, unknown>>;

/**
 * The headers of a received message, without those under our names that we cannot have written: producers may use the same
 * names, or may want to skip the retry delays. Retries, dead letters and replays return through the default exchange, so a
 * message from any other exchange carries none of ours. A header with a value that we never write is left out.
 * Trace headers are the producer's, and stay.
 */
export function believableHeaders(queue: string, exchange: string, headers: Received = {}): Received {
  const bounds = queue === DEAD_LETTERS ? DEAD_BOUNDS : BOUNDS;
  const isOurs = exchangeOf(queue, exchange, headers) === '';
  const isForeign = (name: string): boolean => {
    const isWithin = bounds.get(name);
    return isWithin !== undefined && !(isOurs && isWithin(headers[name]));
  };
  if (!Object.keys(headers).some(isForeign)) return headers;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isForeign(name)));
}

/** The exchange that a message was published to. If the broker itself dead-lettered it, the broker's history names it. */
function exchangeOf(queue: string, exchange: string, headers: Received): string {
  const deaths = headers['x-death'];
  const latest: unknown = queue === DEAD_LETTERS && Array.isArray(deaths) ? deaths[0] : undefined;
  const original = typeof latest === 'object' && latest !== null && 'exchange' in latest ? latest.exchange : undefined;
  return typeof original === 'string' ? original : exchange;
}
