import { isUtf8 } from 'node:buffer';
import { readTime } from '../../foundation/times';
import type { Delivery } from '../../rabbitmq/consuming/delivery';
import type { DeadLetter } from '../../rabbitmq/publishing/dead-letter';
import { type Field, fields, harmless, shortTime, tableRow } from '../render';

/** The widths are fixed, because rows are printed while the queue is read. */
const WIDTHS = [16, 19, 16, 8];
const BEFORE_ERROR = 16 + 2 + 19 + 2;

/** A letter takes two lines. */
const twoLines = (first: readonly string[], origin: string, error: string): string =>
  `${tableRow(first, WIDTHS)}\n${tableRow(['', origin, error], WIDTHS)}`;

export const HEADING = twoLines(['id', 'last seen (UTC)', 'reason', 'attempts'], 'origin queue', 'error');

/** Accepts any text, because a header may contain anything. */
function timeOf(text: string | null): string {
  const at = text === null ? undefined : readTime(text);
  return at === undefined ? (text ?? '-') : shortTime(at);
}

/** Headers may be nested too deeply to be written as JSON. */
const MAX_DEPTH = 32;

function shallow(value: unknown, levels = MAX_DEPTH): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (levels === 0) return '…';
  if (Array.isArray(value)) return value.map((item) => shallow(item, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shallow(inner, levels - 1)]));
}

export function letterRow(letter: DeadLetter, columns: number): string {
  const cells = [
    letter.id,
    timeOf(letter.lastSeen),
    letter.reason ?? '-',
    letter.replays > 0 ? `${letter.totalAttempts}, ${letter.replays}x` : String(letter.totalAttempts),
  ];
  const error = letter.error ?? '-';
  const room = columns - BEFORE_ERROR;
  return twoLines(cells, letter.origin ?? '-', error.length > room ? `${error.slice(0, room - 1)}…` : error);
}

/** The JSON of `list`. */
export function summaryBody(delivery: Delivery, letter: DeadLetter) {
  return {
    id: letter.id,
    reason: letter.reason,
    error: letter.error,
    origin_queue: letter.origin,
    first_seen: letter.firstSeen,
    last_seen: letter.lastSeen,
    attempts: letter.attempts,
    total_attempts: letter.totalAttempts,
    replays: letter.replays,
    message_id: delivery.messageId ?? null,
    bytes: delivery.content.length,
  };
}

/** All but the content. */
export const letterHead = (delivery: Delivery, letter: DeadLetter) => ({
  ...summaryBody(delivery, letter),
  earlier_deaths: letter.earlier.map(({ lastSeen, ...death }) => ({ ...death, last_seen: lastSeen })),
  properties: propertiesOf(delivery),
  headers: shallow(delivery.headers),
});

/** The JSON of `show`. */
export function letterBody(delivery: Delivery, letter: DeadLetter) {
  const { content } = delivery;
  return {
    ...letterHead(delivery, letter),
    ...(isUtf8(content) ? { body: content.toString() } : { body_base64: content.toString('base64') }),
  };
}

/** A line for each field, then the headers and the body. */
export function letterText(delivery: Delivery, letter: DeadLetter): string {
  const { content, headers } = delivery;
  const rounds = letter.replays > 0 ? `, over ${letter.replays + 1} rounds (replayed ${letter.replays}x)` : '';
  const earlier = letter.earlier.map(({ lastSeen, reason, attempts, error }) =>
    `${timeOf(lastSeen)}  ${reason ?? '-'}  attempts ${attempts}  ${error ?? ''}`.trimEnd(),
  );
  const lines = fields([
    ['id', letter.id],
    ['reason', letter.reason],
    ['error', letter.error],
    ['origin queue', letter.origin],
    ['attempts', `${letter.totalAttempts}${rounds}`],
    ['first seen', timeOf(letter.firstSeen)],
    ['last seen', timeOf(letter.lastSeen)],
    ...(earlier.length > 0 ? [['before that', earlier] satisfies Field] : []),
    ...Object.entries(propertiesOf(delivery)).map(([name, value]): Field => [name, String(value)]),
  ]);
  const shown = Object.entries(headers).map(
    ([name, value]) => `  ${harmless(`${name}: ${JSON.stringify(shallow(value))}`)}`,
  );
  const body = isUtf8(content) ? content.toString() : `${content.toString('base64')}\n(not UTF-8, so as base64)`;
  const text = body.split('\n').map(harmless).join('\n');
  return `${[...lines, 'headers', ...shown, `body, ${content.length} bytes`, text].join('\n')}\n`;
}

function propertiesOf({ properties }: Delivery): Record<string, unknown> {
  const { messageId, correlationId, type, timestamp, appId, contentType, contentEncoding } = properties;
  const all = { messageId, correlationId, type, timestamp, appId, contentType, contentEncoding };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
