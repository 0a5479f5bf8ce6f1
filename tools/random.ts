import { createHash } from 'node:crypto';

/** Seeded random numbers (sfc32), the same on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param names one purpose within a run: changes to one leave the numbers of others as they are */
  constructor(seed: number, ...names: (string | number)[]) {
    const hash = createHash('sha256')
      .update(JSON.stringify([seed, ...names]))
      .digest();
    this.#a = hash.readInt32LE(0);
    this.#b = hash.readInt32LE(4);
    this.#c = hash.readInt32LE(8);
  }

  /** From 0 up to, but not including, 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  weighted<T>(list: readonly (readonly [weight: number, item: T])[]): T {
    let at = this.next() * list.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of list) {
      at -= weight;
      if (at < 0) return item;
    }
    return (list[list.length - 1] as readonly [number, T])[1];
  }

  shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list];
    for (let end = copy.length; end > 1; end--) {
      const from = this.below(end);
      [copy[from], copy[end - 1]] = [copy[end - 1] as T, copy[from] as T];
    }
    return copy;
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join('');
  }

  uuid(): string {
    return [this.hex(8), this.hex(4), `4${this.hex(3)}`, `a${this.hex(3)}`, this.hex(12)].join('-');
  }
}
