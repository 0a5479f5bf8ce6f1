import { type Command, InvalidArgumentError } from 'commander';
import { DEAD_LETTER_REASONS } from '../../messages/incoming/decoded';
import type { DeadLetter } from '../../rabbitmq/dead-letter';
import { parseWhen, positive } from '../arguments';

/** Which dead letters a command is about. */
export interface Filter {
  reason?: string;
  originQueue?: string;
  since?: Date;
  until?: Date;
  limit?: number;
}

/** The last two are the broker's. */
const REASONS = [...DEAD_LETTER_REASONS, 'failed', 'delivery_limit', 'rejected'];

export function addFilters(command: Command): Command {
  return command
    .option('--reason <reason>', `only those with this reason: ${REASONS.join(', ')}`)
    .option('--origin-queue <queue>', 'only those that came from this queue')
    .option(
      '--since <time>',
      'only those that came to the dead letters then or later: a time, or an age such as 2h',
      parseWhen,
    )
    .option('--until <time>', 'only those that came before then', parseWhen)
    .option('--limit <n>', 'no more than this many, oldest first', positive);
}

export function isOneOf(ids: ReadonlySet<string>, { reason, originQueue, since, until }: Filter) {
  return (letter: DeadLetter): boolean => {
    const at = letter.lastSeen === null ? Number.NaN : Date.parse(letter.lastSeen);
    return (
      (ids.size === 0 || ids.has(letter.id)) &&
      (reason === undefined || letter.reason === reason) &&
      (originQueue === undefined || letter.origin === originQueue) &&
      // One without a time is in no range of times.
      (since === undefined || at >= since.getTime()) &&
      (until === undefined || at < until.getTime())
    );
  };
}

/** Whether anything narrows it down; a limit alone does not say which. */
export function isNarrow({ limit: _, ...filter }: Filter): boolean {
  return Object.values(filter).some((value) => value !== undefined);
}

const ID = /^[0-9a-f]{16}$/;

export function parseId(text: string): string {
  const id = text.trim().toLowerCase();
  if (!ID.test(id)) throw new InvalidArgumentError('It is the id that `dead-letters list` shows.');
  return id;
}
