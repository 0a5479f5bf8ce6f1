/** Counters in Prometheus' text format: `name{labels}` and a number. */
export function parseCounters(text: string): Map<string, number> {
  const counters = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^(onecontact_\w+\{[^}]*\}) (\d+)/.exec(line) ?? [];
    if (name !== undefined) counters.set(name, Number(value));
  }
  return counters;
}

/** The sum of the counters whose name and labels match. */
export function sumOf(counters: ReadonlyMap<string, number>, pattern: RegExp): number {
  return [...counters].reduce((sum, [name, value]) => (pattern.test(name) ? sum + value : sum), 0);
}

/** One label's values, each with its sum. */
export function byLabel(counters: ReadonlyMap<string, number>, pattern: RegExp, label: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, value] of counters) {
    if (!pattern.test(name)) continue;
    const key = new RegExp(`${label}="([^"]*)"`).exec(name)?.[1] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}
