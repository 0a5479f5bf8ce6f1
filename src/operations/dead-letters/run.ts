import { type BrowseResult, browseQueue, lockQueue, type Verdict } from '../../rabbitmq/browse-queue';
import type { Delivery } from '../../rabbitmq/consuming/delivery';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import { type DeadLetter, readDeadLetter, toReplay, toTail } from '../../rabbitmq/publishing/dead-letter';
import type { Broker } from '../servers';
import { type Filter, isNarrow, matches } from './filter';

export interface BrowseRun {
  filter: Filter;
  /** Ends the browsing early; what is in flight is finished. */
  signal: AbortSignal;
  onProgress?(seen: number, total: number): void;
  /** Asked before each message, with the number of matches so far; true ends the browsing early. */
  enough?(matched: number): boolean;
}

export interface Browsed extends BrowseResult {
  matched: number;
  /** The same for the same matches, whatever their order. */
  mark: string;
  /** Ids in the filter that no dead letter has. */
  unknownIds: string[];
  /** Whether the signal ended it. */
  interrupted: boolean;
}

/** Decides about one match. `position` counts the matches from 1. */
export type Visit = (delivery: Delivery, letter: DeadLetter, position: number) => Promise<Verdict>;

/** Visits the matching dead letters, oldest first, and keeps all others. */
export async function browseDeadLetters(
  { connection, publisher }: Broker,
  { filter, signal, onProgress, enough = () => false }: BrowseRun,
  visit: Visit,
): Promise<Browsed> {
  const { limit = Number.POSITIVE_INFINITY } = filter;
  const unknownIds = new Set(filter.ids);
  let matched = 0;
  let sum = 0n;
  await lockQueue(connection, DEAD_LETTERS);
  const result = await browseQueue({
    connection,
    publisher,
    queue: DEAD_LETTERS,
    signal,
    copy: toTail,
    enough: () => matched >= limit || enough(matched),
    ...(!isNarrow(filter) && filter.limit !== undefined && { expected: filter.limit }),
    ...(onProgress && { onProgress }),
    visit: async (delivery) => {
      const letter = readDeadLetter(delivery);
      if (!matches(filter, letter, delivery.content)) return { do: 'keep' };
      matched += 1;
      sum += BigInt(`0x${letter.id}`);
      unknownIds.delete(letter.id);
      return visit(delivery, letter, matched);
    },
  });
  return { ...result, matched, mark: sum.toString(36), unknownIds: [...unknownIds], interrupted: signal.aborted };
}

export interface Replayed extends Browsed {
  /** How many were replayed; in a dry run, how many would be. */
  replayed: number;
  /** Matches whose origin is not one of our queues. They stay where they are. */
  unroutable: number;
  /** Matches by the queue that they go back to. */
  routes: ReadonlyMap<string, number>;
}

export async function replayDeadLetters(broker: Broker, run: BrowseRun, dryRun: boolean): Promise<Replayed> {
  const routes = new Map<string, number>();
  let unroutable = 0;
  const browsed = await browseDeadLetters(broker, run, async (delivery, letter) => {
    const message = toReplay(delivery, letter);
    if (message === undefined) {
      unroutable += 1;
      return { do: 'keep' };
    }
    routes.set(message.routingKey, (routes.get(message.routingKey) ?? 0) + 1);
    return dryRun ? { do: 'keep' } : { do: 'send', message };
  });
  return { ...browsed, replayed: dryRun ? browsed.matched - unroutable : browsed.sent, unroutable, routes };
}

export function dropDeadLetters(broker: Broker, run: BrowseRun, dryRun: boolean): Promise<Browsed> {
  return browseDeadLetters(broker, run, async () => ({ do: dryRun ? 'keep' : 'drop' }));
}

/** Matches that the operator has counted and agreed to. */
export type Counted = Pick<Browsed, 'matched' | 'mark'>;

/** The matches that were counted, and none that came later. */
export const exactly = (filter: Filter, { matched }: Counted): Filter => ({ ...filter, limit: matched });

/** Whether the first matches are those that were counted: another operator may have replayed or dropped some since. */
export async function areStillThere(broker: Broker, run: BrowseRun, counted: Counted): Promise<boolean> {
  const found = await dropDeadLetters(broker, { ...run, filter: exactly(run.filter, counted) }, true);
  return found.matched === counted.matched && found.mark === counted.mark;
}
