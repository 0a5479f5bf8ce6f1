/** The dead letters at a glance: how many of each kind, and a page of them. Keeps no bodies. */
import type { DeadLetter } from '../../rabbitmq/publishing/dead-letter';
import type { Broker } from '../servers';
import { matches } from './filter';
import { type BrowseRun, browseDeadLetters } from './run';
import { summaryBody } from './text';

/** The dead letters with one reason from one queue. */
export interface Kind {
  reason: string | null;
  origin: string | null;
  count: number;
  oldest: string | null;
  newest: string | null;
}

export type Summary = ReturnType<typeof summaryBody>;

export interface Overview {
  total: number;
  /** How many of them were looked at, from the oldest. */
  looked: number;
  /** Whether it took too long to look at more. */
  interrupted: boolean;
  kinds: Kind[];
  /** Dead letters of further kinds: there are more than a person could read. */
  others: number;
  /** How many match the filter. */
  matched: number;
  /** The oldest that match. */
  page: Summary[];
  /** Whether more that match follow the page. */
  hasMore: boolean;
}

interface OverviewOptions extends BrowseRun {
  /** The last of the page before. */
  after?: string | undefined;
  size: number;
}

/** A longer queue is looked at only in part: looking at more than the head of a queue rewrites all of it. */
const MOST = 5_000;
/** As many as the broker lends at once: they return to their places, and nothing is written. */
const FROM_HEAD = 500;

type Bounds = Required<Pick<BrowseRun, 'enough' | 'onProgress'>>;

function bounds(isEnough: (now: { seen: number; total: number; matched: number }) => boolean): Bounds {
  let now = { seen: 0, total: 0 };
  return {
    onProgress: (seen, total) => {
      now = { seen, total };
    },
    enough: (matched) => isEnough({ ...now, matched }),
  };
}

/** Stops browsing before a page would take too long. */
export const pageBounds = (most = MOST, fromHead = FROM_HEAD): Bounds =>
  bounds(({ seen, total }) => total > most && seen >= fromHead);

/** Ends the search once the dead letter is found. In a short queue the search continues, to find equal dead letters. */
export const searchBounds = (most = MOST): Bounds => bounds(({ total, matched }) => total > most && matched > 0);

const MAX_KINDS = 100;

export async function readOverview(broker: Broker, options: OverviewOptions): Promise<Overview> {
  const { filter, after, size, ...rest } = options;
  const kinds = new Map<string, Kind>();
  const found = { looked: 0, others: 0, matched: 0, page: [] as Summary[], hasMore: false };
  let isBehind = after === undefined;
  const run = { ...rest, filter: { ids: new Set<string>() } };
  const { total, interrupted } = await browseDeadLetters(broker, run, async (delivery, letter) => {
    found.looked += 1;
    if (!addTo(kinds, letter)) found.others += 1;
    if (matches(filter, letter, delivery.content)) {
      found.matched += 1;
      if (isBehind && found.page.length < size) found.page.push(summaryBody(delivery, letter));
      else if (isBehind) found.hasMore = true;
      if (letter.id === after) isBehind = true;
    }
    return { do: 'keep' };
  });
  const byCount = [...kinds.values()].sort((a, b) => b.count - a.count);
  return { total, interrupted, ...found, kinds: byCount };
}

/** @returns false if there are too many kinds already */
function addTo(kinds: Map<string, Kind>, { reason, origin, lastSeen }: DeadLetter): boolean {
  const key = JSON.stringify([reason, origin]);
  const kind = kinds.get(key) ?? { reason, origin, count: 0, oldest: lastSeen, newest: lastSeen };
  if (kind.count === 0 && kinds.size >= MAX_KINDS) return false;
  kinds.set(key, kind);
  kind.count += 1;
  if (lastSeen !== null) {
    if (kind.oldest === null || lastSeen < kind.oldest) kind.oldest = lastSeen;
    if (kind.newest === null || lastSeen > kind.newest) kind.newest = lastSeen;
  }
  return true;
}
