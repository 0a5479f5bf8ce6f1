import type { ContactEvent } from '../contacts/facts/event';

/** The most bytes of messages that a slot takes at once. An ordinary message has a few hundred bytes. */
export const MAX_BATCH_BYTES = 2 * 1_024 * 1_024;
/** The most facts that one transaction writes, unless a single message has more. Each is a row of a statement. */
const MAX_FACTS = 5_000;

/**
 * Splits events into parts of bounded weight, in order; an ordinary batch is one part. Events that must be alone come
 * last, each in a part of its own.
 */
export function partsOf<T extends { readonly event: ContactEvent }>(
  items: readonly T[],
  standsAlone: (item: T) => boolean = () => false,
): T[][] {
  const parts: T[][] = [];
  const alone: T[][] = [];
  let facts = 0;
  for (const item of items) {
    if (standsAlone(item)) {
      alone.push([item]);
      continue;
    }
    const count = factsOf(item.event);
    facts += count;
    if (parts.length === 0 || facts > MAX_FACTS) {
      parts.push([]);
      facts = count;
    }
    parts.at(-1)?.push(item);
  }
  return [...parts, ...alone];
}

const factsOf = (event: ContactEvent): number => (event.kind === 'deletion' ? 1 : event.newsletters.length + 1);
