/** Orders text by UTF-16 code units, as `sort()` does by itself. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The item that `compare` puts last (of equal items the first); undefined if there are no items. */
export function greatest<T>(items: Iterable<T>, compare: (a: T, b: T) => number): T | undefined {
  let found: T | undefined;
  for (const item of items) if (found === undefined || compare(item, found) > 0) found = item;
  return found;
}
