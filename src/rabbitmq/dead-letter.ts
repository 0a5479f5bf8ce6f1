import { createHash } from 'node:crypto';
import { count, type Delivery } from './delivery';
import { toQueue } from './forward';
import { cutText } from './headers';
import { DEAD_LETTERS, FXA_QUEUE, HEADERS, NEWSLETTER_QUEUE } from './names';
import type { OutgoingMessage } from './outgoing';

/** One time that a message became a dead letter. Texts are as found: shown to people only once they are made harmless. */
export interface Death {
  reason: string | null;
  error: string | null;
  /** How often handling it had failed, since it was new or last replayed. */
  attempts: number;
  /** ISO 8601; when it came to the dead letters. */
  lastSeen: string | null;
}

/** What the dead letters say about a message. */
export interface DeadLetter extends Death {
  /** See {@link idOf}. */
  id: string;
  origin: string | null;
  firstSeen: string | null;
  replays: number;
  /** Attempts over all replays. */
  totalAttempts: number;
  earlier: Death[];
}

/** Where a replay may send to: whatever a header says, nothing else is fed from here. */
const ORIGINS: readonly string[] = [FXA_QUEUE, NEWSLETTER_QUEUE];
const MAX_EARLIER = 10;
/** In bytes, of each text of an earlier death: the list of them must never be what makes the headers too large. */
const MAX_EARLIER_TEXT = 300;

/** Reads the headers that a worker gave it, or those of the broker, which sets aside a message that killed its workers. */
export function readDeadLetter(delivery: Delivery): DeadLetter {
  const { headers, content } = delivery;
  const broker = brokerDeath(headers);
  const death: Death = {
    reason: broker?.reason ?? text(headers[HEADERS.reason]),
    error: text(headers[HEADERS.error]),
    attempts: delivery.attempts,
    lastSeen: broker?.at ?? text(headers[HEADERS.lastSeen]),
  };
  const origin = broker?.queue ?? text(headers[HEADERS.originQueue]);
  const firstSeen = text(headers[HEADERS.firstSeen]) ?? broker?.at ?? null;
  const replays = count(headers[HEADERS.replays]);
  const id = idOf(content, [origin, firstSeen, replays, ...Object.values(death)]);
  const totalAttempts = death.attempts + count(headers[HEADERS.earlierAttempts]);
  return { id, ...death, origin, firstSeen, replays, totalAttempts, earlier: earlierDeaths(headers) };
}

/**
 * The id of a dead letter: a hash of the message's content and of what is said about its death. The same in every
 * listing; that of a replayed message which fails again is another one. Not the message id: producers need not set one
 * (then publishing makes one up, each time), and may send one message twice. Dead letters alike in all of this, to the
 * millisecond, have one id, and are treated alike.
 */
function idOf(content: Buffer, said: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(said)).update(content).digest('hex').slice(0, 16);
}

/**
 * The message goes back to where it came from, to be handled at once and with the whole retry delays before it. Its
 * history travels in headers that the workers pass on, so that it is there when it fails again. Nothing when its origin
 * is unknown.
 */
export function toReplay(delivery: Delivery, letter: DeadLetter): OutgoingMessage | undefined {
  if (letter.origin === null || !ORIGINS.includes(letter.origin)) return undefined;
  const { reason, error, attempts, lastSeen } = letter;
  const earlier = [...letter.earlier, { reason, error, attempts, lastSeen }].slice(-MAX_EARLIER);
  return toQueue(letter.origin, delivery, {
    // What is of this death alone. An undefined header is left out.
    [HEADERS.reason]: undefined,
    [HEADERS.error]: undefined,
    [HEADERS.attempts]: undefined,
    [HEADERS.originQueue]: undefined,
    [HEADERS.lastSeen]: undefined,
    [HEADERS.delay]: undefined,
    [HEADERS.round]: undefined,
    [HEADERS.waits]: undefined,
    [HEADERS.firstSeen]: letter.firstSeen ?? undefined,
    [HEADERS.replays]: letter.replays + 1,
    [HEADERS.earlierAttempts]: letter.totalAttempts,
    [HEADERS.earlierDeaths]: earlier.map((death) => ({
      [HEADERS.reason]: short(death.reason),
      [HEADERS.error]: short(death.error),
      [HEADERS.attempts]: death.attempts,
      [HEADERS.lastSeen]: short(death.lastSeen),
    })),
  });
}

/** The same dead letter again, at the end of the queue: with the same id, and with no delivery counted. */
export function toTail(delivery: Delivery): OutgoingMessage {
  const { reason, error, attempts, lastSeen, firstSeen, origin } = readDeadLetter(delivery);
  return toQueue(DEAD_LETTERS, delivery, {
    // The broker's own history does not travel (see forward.ts): what it says is kept in our headers.
    [HEADERS.reason]: reason ?? undefined,
    [HEADERS.error]: error ?? undefined,
    [HEADERS.attempts]: attempts,
    [HEADERS.originQueue]: origin ?? undefined,
    [HEADERS.firstSeen]: firstSeen ?? undefined,
    [HEADERS.lastSeen]: lastSeen ?? undefined,
  });
}

/** Of the latest death, where the broker itself made it one. What our workers publish never has `x-death`. */
function brokerDeath(headers: Delivery['headers']): { reason: string; queue: string; at: string | null } | undefined {
  const deaths = headers['x-death'];
  const latest: unknown = Array.isArray(deaths) ? deaths[0] : undefined;
  if (!isTable(latest)) return undefined;
  const { reason, queue, time } = latest;
  if (typeof reason !== 'string' || typeof queue !== 'string') return undefined;
  const seconds = isTable(time) && time['!'] === 'timestamp' ? time.value : undefined;
  const known = typeof seconds === 'number' && seconds > 0 && seconds < MAX_SECONDS;
  return { reason, queue, at: known ? new Date(seconds * 1_000).toISOString() : null };
}

/** The last second that a JavaScript date has. */
const MAX_SECONDS = 8_640_000_000_000;

function earlierDeaths(headers: Delivery['headers']): Death[] {
  const list = headers[HEADERS.earlierDeaths];
  if (!Array.isArray(list)) return [];
  return list.filter(isTable).map((death) => ({
    reason: text(death[HEADERS.reason]),
    error: text(death[HEADERS.error]),
    attempts: count(death[HEADERS.attempts]),
    lastSeen: text(death[HEADERS.lastSeen]),
  }));
}

const isTable = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const short = (value: string | null): string => (value === null ? '' : cutText(value, MAX_EARLIER_TEXT));
