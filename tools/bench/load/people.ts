/** The people of a load. Everything about a person follows from a number, here and in the SQL that fills the database. */
import { createHash } from 'node:crypto';
import type { Random } from '../../random';

/** Facts that fill the database have times from here on, those of a run from RUN_AT on. */
export const FILLED_AT = Date.UTC(2024, 0, 1);
const RUN_AT = Date.UTC(2024, 5, 1);

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** Begins with a hash so that addresses land anywhere in an index, like those of real people. */
export const addressOf = (i: number): string => `${md5(`${i}`).slice(0, 8)}.${i}@d${i % 100}.test`;
export const uidOf = (i: number): string => md5(`account ${i}`);
export const filledContactOf = (i: number): string => `01900000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`;

/** The same in SQL, of a column `i`. */
export const SQL = {
  address: `substr(md5(i::text), 1, 8) || '.' || i || '@d' || (i % 100) || '.test'`,
  uid: `md5('account ' || i)`,
  contact: `('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid`,
  token: `md5('token ' || i)::uuid`,
} as const;

/** Accounts of a circle: few, so that every batch changes what the next one needs. */
const CIRCLE = 50;

/**
 * Picks people by number. Those below `filled` are in the database: even ones have an account, odd ones are lone
 * addresses. They are split so that the rows a load writes can be counted beforehand:
 *
 * - the lower half: sign-ups of known readers, logins;
 * - the upper half: accounts that change to a new address (third quarter) or to that of a lone reader (fourth quarter),
 *   and those lone readers, each once.
 */
export class Population {
  #next: number;
  #time = RUN_AT;
  #changes = 0;
  #collisions = 0;
  /** The number of the latest address of each account of the circle. */
  readonly #addresses = new Map<number, number>();

  /** @param filled a multiple of 8 */
  constructor(
    private readonly filled: number,
    private readonly random: Random,
  ) {
    this.#next = filled;
  }

  /** A person who is not in the database yet. */
  newReader = (): number => this.#next++;
  knownReader = (): number => this.knownAccount() + 1;
  knownAccount = (): number => 2 * this.random.below(this.filled / 4);
  changingAccount = (): number => this.filled / 2 + 2 * (this.#changes++ % (this.filled / 8));

  /** An account, and the lone reader whose address it takes. */
  collision(): { account: number; reader: number } {
    const n = this.#collisions++;
    const reader = this.filled / 2 + 2 * n + 1;
    if (reader >= this.filled) throw new Error('the database was filled with too few contacts for so many collisions');
    return { account: (3 * this.filled) / 4 + 2 * (n % (this.filled / 8)), reader };
  }

  /**
   * An account of a circle of live accounts, all connected, and the address that it has now, takes from another of them, or
   * is the first to have.
   */
  inCircle(address: 'own' | 'taken' | 'new'): { account: number; reader: number } {
    const account = 2 * this.random.below(CIRCLE);
    if (address === 'taken') this.#addresses.set(account, 2 * this.random.below(CIRCLE));
    if (address === 'new') this.#addresses.set(account, this.newReader());
    return { account, reader: this.#addresses.get(account) ?? account };
  }

  /** The time of the next fact; no two facts share one. */
  time = (): number => this.#time++;

  hasTwoNewsletters = (): boolean => this.random.chance(0.5);
}
