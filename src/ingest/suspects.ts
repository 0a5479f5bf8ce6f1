import { groupBy } from '../foundation/group-by';

/** With every further delivery without an ack, the batches become smaller by this factor. */
const DIVISOR = 4;
/** One delivery without an ack proves nothing: a worker may have been stopped, or a connection lost. */
const HARMLESS = 1;

/**
 * Delivery counts that differ by no more than this count as equal: a pause or a lost channel may have raised one of
 * them.
 */
const NOISE = 3;

interface Delivered {
  readonly deliveryCount: number;
}

/** Whether a suspect with the delivery count `count` need not wait for one with `than`. */
export const isNoMoreSuspect = (count: number, than: number): boolean => count <= than + NOISE;

/** Whether a message may be what killed its worker. */
export const isSuspect = ({ deliveryCount }: Delivered): boolean => deliveryCount > HARMLESS;

/**
 * Splits deliveries into batches, none of them empty, by delivery count, the lowest first. The higher the count, the
 * smaller the batches, until each message is alone. They shrink in steps because a lost connection raises the counts of
 * thousands of healthy messages: handled one by one, these would take minutes.
 *
 * Batches of suspects with about the same count come in random order. In a fixed order, the same healthy messages would
 * always wait behind the one that kills its worker, until all of them reach the delivery limit with it.
 */
export function batchesOf<T extends Delivered>(
  deliveries: readonly T[],
  batchSize: number,
  random: () => number = Math.random,
): T[][] {
  const byCount = [...groupBy(deliveries, ({ deliveryCount }) => deliveryCount)].sort(([a], [b]) => a - b);
  let least = 0;
  const equals = groupBy(byCount, ([count]) => {
    if (least <= HARMLESS || !isNoMoreSuspect(count, least)) least = count;
    return least;
  });
  return [...equals].flatMap(([lowest, groups]) => {
    const batches = groups.flatMap(([count, group]) => chunks(group, sizeOf(count, batchSize)));
    return lowest > HARMLESS ? shuffled(batches, random) : batches;
  });
}

const sizeOf = (count: number, batchSize: number): number =>
  Math.max(1, Math.floor(batchSize / DIVISOR ** Math.max(0, count - HARMLESS)));

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < list.length; from += size) parts.push(list.slice(from, from + size));
  return parts;
}

function shuffled<T>(list: T[], random: () => number): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0] as T);
}
