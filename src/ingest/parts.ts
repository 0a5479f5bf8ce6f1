import type { ContactEvent } from '../contacts/facts/event';

/** The most bytes of messages that a slot takes at once. An ordinary message has some hundred. */
export const MAX_BATCH_BYTES = 2 * 1_024 * 1_024;
/** The most facts that one transaction writes, unless a single message has more. Each is a row of a statement. */
const MAX_FACTS = 5_000;
/** The most text in these rows. Each repeats the source and the reason of its message. */
const MAX_TEXT = 2 * 1_024 * 1_024;

/** Splits events into parts of bounded weight, in order; an ordinary batch is one part. */
export function partsOf<T extends { readonly event: ContactEvent }>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  let facts = 0;
  let text = 0;
  for (const item of items) {
    const weight = weightOf(item.event);
    facts += weight.facts;
    text += weight.text;
    if (parts.length === 0 || facts > MAX_FACTS || text > MAX_TEXT) {
      parts.push([]);
      ({ facts, text } = weight);
    }
    parts.at(-1)?.push(item);
  }
  return parts;
}

function weightOf(event: ContactEvent): { facts: number; text: number } {
  if (event.kind === 'deletion') return { facts: 1, text: 0 };
  const facts = event.newsletters.length + 1;
  const shared = event.kind === 'newsletter' ? (event.source?.length ?? 0) + (event.reason?.length ?? 0) : 0;
  return { facts, text: event.newsletters.reduce((sum, name) => sum + name.length + shared, shared) };
}
