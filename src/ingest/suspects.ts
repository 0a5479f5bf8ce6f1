/** With every further delivery without an ack, so many times fewer messages are handled together. */
const DIVISOR = 4;
/** The first one says nothing: a worker was stopped, a connection lost. */
const HARMLESS = 1;

interface Delivered {
  readonly deliveryCount: number;
}

/** Whether it may be what ended its worker. */
export const isSuspect = ({ deliveryCount }: Delivered): boolean => deliveryCount > HARMLESS;

/**
 * What is handled together, none of it empty. A message that came before without an ack may be what killed its worker:
 * the more often it came, the fewer are handled with it, until it stands alone. In steps, because each lost connection
 * raises the counts of all that was prefetched, thousands of messages that nothing is wrong with: one by one they would
 * take minutes.
 *
 * Those that came least often are first. Batches of suspects have no order: behind a message that kills its worker each
 * time, always the same ones would wait, until all of them had come too often and went to the dead letters with it.
 */
export function batchesOf<T extends Delivered>(
  deliveries: readonly T[],
  batchSize: number,
  random: () => number = Math.random,
): T[][] {
  return [...byCount(deliveries)]
    .sort(([a], [b]) => a - b)
    .flatMap(([count, group]) => {
      const size = Math.max(1, Math.floor(batchSize / DIVISOR ** Math.max(0, count - HARMLESS)));
      const batches: T[][] = [];
      for (let from = 0; from < group.length; from += size) batches.push(group.slice(from, from + size));
      return count > HARMLESS ? shuffled(batches, random) : batches;
    });
}

function byCount<T extends Delivered>(deliveries: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const delivery of deliveries) {
    const group = groups.get(delivery.deliveryCount);
    if (group) group.push(delivery);
    else groups.set(delivery.deliveryCount, [delivery]);
  }
  return groups;
}

function shuffled<T>(list: T[], random: () => number): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0] as T);
}
