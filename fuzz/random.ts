/** Random numbers by a seed: the same seed gives the same messages, on every machine. */
export interface Random {
  /** From 0 up to, and without, `below`. */
  int(below: number): number;
  /** True in one of `n` cases. */
  oneIn(n: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** Mulberry32: small, fast, and good enough to choose by. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return { int, oneIn: (n) => int(n) === 0, pick: <T>(items: readonly T[]) => items[int(items.length)] as T };
}
