import { groupBy } from '../foundation/group-by';

/** With every further delivery without an ack, this many times fewer messages are handled together. */
const DIVISOR = 4;
/** One delivery without an ack proves nothing: a worker was stopped, or a connection lost. */
const HARMLESS = 1;

interface Delivered {
  readonly deliveryCount: number;
}

/** Whether a message may be what killed its worker. */
export const isSuspect = ({ deliveryCount }: Delivered): boolean => deliveryCount > HARMLESS;

/**
 * Splits deliveries into batches, none of them empty, by delivery count, the lowest first. The higher the count, the
 * smaller the batches, until each message stands alone. They shrink in steps because a lost connection raises the counts of
 * thousands of healthy messages: handled one by one, those would take minutes.
 *
 * Batches of suspects come in random order. In a fixed order, the same healthy messages would always wait behind the one
 * that kills its worker, until all of them reach the delivery limit with it.
 */
export function batchesOf<T extends Delivered>(
  deliveries: readonly T[],
  batchSize: number,
  random: () => number = Math.random,
): T[][] {
  return [...groupBy(deliveries, ({ deliveryCount }) => deliveryCount)]
    .sort(([a], [b]) => a - b)
    .flatMap(([count, group]) => {
      const size = Math.max(1, Math.floor(batchSize / DIVISOR ** Math.max(0, count - HARMLESS)));
      const batches: T[][] = [];
      for (let from = 0; from < group.length; from += size) batches.push(group.slice(from, from + size));
      return count > HARMLESS ? shuffled(batches, random) : batches;
    });
}

function shuffled<T>(list: T[], random: () => number): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0] as T);
}
