import { WORK_QUEUES } from '../../rabbitmq/names';
import type { DeadLetter } from '../../rabbitmq/publishing/dead-letter';

export const ORIGIN_QUEUES: readonly string[] = [...WORK_QUEUES.values()];

/** Selects the dead letters that match every field that is set. */
export interface Filter {
  /** If empty, every id matches. */
  ids: ReadonlySet<string>;
  reason?: string;
  originQueue?: string;
  since?: Date;
  until?: Date;
  /** Whether a body names the wanted address. */
  mentions?: (body: Buffer) => boolean;
  /** Selects only this many matches, oldest first. */
  limit?: number;
}

export function matches(filter: Filter, letter: DeadLetter, body: Buffer): boolean {
  const { ids, reason, originQueue, since, until, mentions } = filter;
  // NaN is outside any range: a letter without a time never matches `since` or `until`.
  const at = letter.lastSeen === null ? Number.NaN : Date.parse(letter.lastSeen);
  return (
    (ids.size === 0 || ids.has(letter.id)) &&
    (reason === undefined || letter.reason === reason) &&
    (originQueue === undefined || letter.origin === originQueue) &&
    (since === undefined || at >= since.getTime()) &&
    (until === undefined || at < until.getTime()) &&
    (mentions === undefined || mentions(body))
  );
}

/** Whether the filter has any condition besides the limit. */
export function isNarrow({ ids, reason, originQueue, since, until, mentions }: Filter): boolean {
  return ids.size > 0 || [reason, originQueue, since, until, mentions].some((value) => value !== undefined);
}
