import { createHash } from 'node:crypto';
import { count, type Delivery } from '../consuming/delivery';
import { cutText } from '../headers';
import { DEAD_LETTERS, HEADERS, UNROUTED, WORK_QUEUES } from '../names';
import { MAX_EARLIER } from '../own-headers';
import { toQueue } from './forward';
import type { OutgoingMessage } from './outgoing';

/** One death of a message: it was dead-lettered. The texts are as received, so sanitise them before showing them. */
export interface Death {
  reason: string | null;
  error: string | null;
  /** Failed attempts since the message was new or last replayed. */
  attempts: number;
  /** When it was dead-lettered, ISO 8601. */
  lastSeen: string | null;
}

/** A message in the dead letters, as its headers describe it. */
export interface DeadLetter extends Death {
  /** See {@link idOf}. */
  id: string;
  origin: string | null;
  firstSeen: string | null;
  replays: number;
  /** Attempts, those before replays included. */
  totalAttempts: number;
  earlier: Death[];
}

/**
 * Why the broker itself dead-letters a message: it killed its workers, it could not be published again, or a policy on a
 * work queue let it expire or refused it.
 */
export const BROKER_REASONS = ['delivery_limit', 'rejected', 'expired', 'maxlen'] as const;

/** The only queues that a replay may send to, whatever a header says. */
const ORIGINS: readonly string[] = [...WORK_QUEUES.values()];
/** The longest text of an earlier death, in bytes, so that the list of deaths never makes the headers too large. */
const MAX_EARLIER_TEXT = 300;

/** Reads the headers that a worker wrote, or the broker, if the broker itself dead-lettered the message. */
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
 * The id of a dead letter: a hash of its content and the fields of its death. It is the same in every listing, and
 * changes when a replayed message fails again. The message id would not do: producers need not set one, and may send a
 * message twice. Dead letters that are equal in all of this share an id and are handled together.
 */
function idOf(content: Buffer, fields: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(fields)).update(content).digest('hex').slice(0, 16);
}

/**
 * The message for the queue it came from, to be handled at once and with all its attempts; undefined if that queue is
 * unknown. Its history travels in headers that the workers pass on.
 */
export function toReplay(delivery: Delivery, letter: DeadLetter): OutgoingMessage | undefined {
  if (letter.origin === null || !ORIGINS.includes(letter.origin)) return undefined;
  const { reason, error, attempts, lastSeen } = letter;
  const earlier = [...letter.earlier, { reason, error, attempts, lastSeen }].slice(-MAX_EARLIER);
  return toQueue(letter.origin, delivery, {
    // These belong to this death alone. Undefined headers are left out.
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

/** The same dead letter for the end of the queue: with the same id, and no deliveries counted. */
export function toTail(delivery: Delivery): OutgoingMessage {
  const { reason, error, attempts, lastSeen, firstSeen, origin } = readDeadLetter(delivery);
  return toQueue(DEAD_LETTERS, delivery, {
    // The broker's own history does not travel (see forward.ts), so our headers keep it.
    [HEADERS.reason]: reason ?? undefined,
    [HEADERS.error]: error ?? undefined,
    [HEADERS.attempts]: attempts,
    [HEADERS.originQueue]: origin ?? undefined,
    [HEADERS.firstSeen]: firstSeen ?? undefined,
    [HEADERS.lastSeen]: lastSeen ?? undefined,
  });
}

/** The latest death, if the broker dead-lettered the message. Messages that our workers publish have no `x-death`. */
function brokerDeath(headers: Delivery['headers']): { reason: string; queue: string; at: string | null } | undefined {
  const deaths = headers['x-death'];
  const latest: unknown = Array.isArray(deaths) ? deaths[0] : undefined;
  if (!isTable(latest)) return undefined;
  const { reason, time, exchange } = latest;
  // A message that the alternate exchange caught belongs into the work queue of its first exchange.
  const meant = latest.queue === UNROUTED && typeof exchange === 'string' ? WORK_QUEUES.get(exchange) : undefined;
  const queue = meant ?? latest.queue;
  if (typeof reason !== 'string' || typeof queue !== 'string') return undefined;
  const seconds = isTable(time) && time['!'] === 'timestamp' ? time.value : undefined;
  const known = typeof seconds === 'number' && seconds > 0 && seconds < MAX_SECONDS;
  return { reason, queue, at: known ? new Date(seconds * 1_000).toISOString() : null };
}

/** The last second that a JavaScript date can represent. */
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
