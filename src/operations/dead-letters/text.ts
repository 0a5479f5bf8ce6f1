import { isUtf8 } from 'node:buffer';
import type { DeadLetter } from '../../rabbitmq/dead-letter';
import type { Delivery } from '../../rabbitmq/delivery';
import { harmless } from '../render';

const COLUMNS = [16, 20, 16, 19, 8] as const;

/** Fixed widths: rows are written while the queue is read. */
const rowOf = (cells: readonly string[]): string =>
  `${cells.map((cell, i) => harmless(cell).padEnd(COLUMNS[i] ?? 0)).join('  ')}`.trimEnd();

export const HEADING = rowOf(['ID', 'LAST SEEN', 'REASON', 'ORIGIN QUEUE', 'ATTEMPTS', 'ERROR']);

const MAX_ERROR = 80;

/** One line. */
export function row(letter: DeadLetter): string {
  const error = letter.error ?? '-';
  return rowOf([
    letter.id,
    (letter.lastSeen ?? '-').replace(/\.\d+Z$/, 'Z'),
    letter.reason ?? '-',
    letter.origin ?? '-',
    letter.replays > 0 ? `${letter.totalAttempts}, ${letter.replays}x` : String(letter.totalAttempts),
    error.length > MAX_ERROR ? `${error.slice(0, MAX_ERROR - 1)}…` : error,
  ]);
}

/** For machines: what `list --json` says of one. */
export function summary(delivery: Delivery, letter: DeadLetter) {
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

/** For machines: all of it. */
export function whole(delivery: Delivery, letter: DeadLetter) {
  const { content, headers } = delivery;
  return {
    ...summary(delivery, letter),
    earlier_deaths: letter.earlier.map(({ lastSeen, ...death }) => ({ ...death, last_seen: lastSeen })),
    properties: propertiesOf(delivery),
    headers,
    ...(isUtf8(content) ? { body: content.toString() } : { body_base64: content.toString('base64') }),
  };
}

/** For people: one thing a line, its name in front, then headers and body. */
export function block(delivery: Delivery, letter: DeadLetter): string {
  const { content, headers } = delivery;
  const lines = [
    ['id', letter.id],
    ['reason', letter.reason],
    ['error', letter.error],
    ['origin queue', letter.origin],
    [
      'attempts',
      `${letter.totalAttempts}${letter.replays > 0 ? `, over ${letter.replays + 1} rounds (replayed ${letter.replays}x)` : ''}`,
    ],
    ['first seen', letter.firstSeen],
    ['last seen', letter.lastSeen],
    ...letter.earlier.map(({ lastSeen, reason, attempts, error }, i) => [
      i === 0 ? 'before that' : '',
      `${lastSeen ?? '-'}  ${reason ?? '-'}  attempts ${attempts}  ${error ?? ''}`.trimEnd(),
    ]),
    ...Object.entries(propertiesOf(delivery)).map(([name, value]) => [name, String(value)]),
  ].map(([name, value]) => `${name?.padEnd(15)}${harmless(value ?? '-')}`);
  const shown = Object.entries(headers).map(([name, value]) => `  ${harmless(`${name}: ${JSON.stringify(value)}`)}`);
  const body = isUtf8(content) ? content.toString() : `${content.toString('base64')}\n(not UTF-8, so as base64)`;
  const text = body.split('\n').map(harmless).join('\n');
  return `${[...lines, 'headers', ...shown, `body, ${content.length} bytes`, text].join('\n')}\n`;
}

/** Those that are set. */
function propertiesOf({ properties }: Delivery): Record<string, unknown> {
  const { messageId, correlationId, type, timestamp, appId, contentType, contentEncoding } = properties;
  const all = { messageId, correlationId, type, timestamp, appId, contentType, contentEncoding };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
