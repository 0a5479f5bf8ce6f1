/** Something that goes over a worker's connections and that it can be killed before and after. */
export type Kind = 'statement' | 'ack' | 'publish' | 'confirm';
/**
 * `before`: whoever it is for never gets it. `after`: a statement is done, but its answer does not arrive; all of an ack or
 * of a message is with the broker; a confirm is with the worker, which has a moment to act on it.
 */
export type Side = 'before' | 'after';

/** One of its kind, counted from 1. */
export interface Step {
  kind: Kind;
  nr: number;
  /** For people. */
  what: string;
}

export interface Point extends Step {
  side: Side;
}

/**
 * Stands in all connections of one worker process, counts the steps, and kills the worker at one of them.
 *
 * States: *open* -> *killed* (nothing goes through any more, in either direction); `arm()` leads back to *open*.
 */
export class Gate {
  steps: Step[] = [];
  killed = false;
  /** Deliveries of the broker that came through, and acks of them. */
  delivered = 0;
  settled = 0;
  /** So many deliveries are kept back until all of them have come: the worker then has them in one batch. */
  together = 0;
  readonly #counts = new Map<Kind, number>();
  #at: Point | null = null;
  #kill = (): void => undefined;

  /** Counts from 1 again. @param kill ends the worker at once, or has begun to when it returns */
  arm(at: Point | null, kill: () => void, together: number): void {
    this.#at = at;
    this.#kill = kill;
    this.#counts.clear();
    this.steps = [];
    this.killed = false;
    this.delivered = 0;
    this.settled = 0;
    this.together = together;
  }

  /** A step begins. @returns its number */
  count(kind: Kind, what: string): number {
    const nr = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, nr);
    this.steps.push({ kind, nr, what });
    return nr;
  }

  /** Whether nothing may go on: this is the point, or it is past. */
  ends(kind: Kind, nr: number, side: Side): boolean {
    const at = this.#at;
    if (!this.killed && at?.kind === kind && at.nr === nr && at.side === side) {
      this.killed = true;
      this.#kill();
    }
    return this.killed;
  }
}
