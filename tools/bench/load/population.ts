import { RUN_AT } from './people';

/**
 * The numbers of the people that a load is about. Those below `filled` are in the database: even ones have an account,
 * odd ones are lone addresses. Which of them take part in what, so that the rows to expect can be counted beforehand:
 *
 * - the lower half: sign-ups of known readers, logins;
 * - the upper half: accounts that change to a new address (third quarter) or to that of a lone reader (fourth quarter),
 *   and those lone readers, each once.
 */
export class Population {
  readonly #filled: number;
  readonly #random: () => number;
  #next: number;
  #time = RUN_AT;
  #changes = 0;
  #collisions = 0;

  /** @param filled a multiple of 8 */
  constructor(filled: number, random: () => number) {
    this.#filled = filled;
    this.#next = filled;
    this.#random = random;
  }

  /** Somebody who is not in the database yet. */
  someNew = (): number => this.#next++;
  someReader = (): number => 2 * this.#below(this.#filled / 4) + 1;
  someAccount = (): number => 2 * this.#below(this.#filled / 4);
  someChanging = (): number => this.#filled / 2 + 2 * (this.#changes++ % (this.#filled / 8));

  /** An account, and the lone reader whose address it takes. */
  someCollision(): { account: number; reader: number } {
    const n = this.#collisions++;
    const reader = this.#filled / 2 + 2 * n + 1;
    if (reader >= this.#filled) throw new Error('the database was filled with too few contacts for so many collisions');
    return { account: (3 * this.#filled) / 4 + 2 * (n % (this.#filled / 8)), reader };
  }

  /** Each fact has a moment of its own. */
  moment = (): number => this.#time++;

  /** One of some, each with its share. */
  pick<T>(shares: readonly (readonly [T, number])[]): T {
    let place = this.#random() * shares.reduce((sum, [, share]) => sum + share, 0);
    for (const [item, share] of shares) {
      place -= share;
      if (place < 0) return item;
    }
    return (shares.at(-1) as readonly [T, number])[0];
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
