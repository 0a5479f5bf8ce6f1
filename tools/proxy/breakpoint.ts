/** The exchanges at which a process can be killed or its connections broken. */
export type StepKind = 'statement' | 'ack' | 'publish' | 'confirm';
/**
 * `before`: the receiver never gets it. `after`: a statement is executed, but its answer does not arrive; all of an ack or
 * a message has reached the broker; a confirm has reached the worker, which has a moment to act on it.
 */
export type Side = 'before' | 'after';

/** Steps of each kind are counted from 1. */
export interface Step {
  kind: StepKind;
  nr: number;
  /** For people. */
  what: string;
}

export interface Point extends Step {
  side: Side;
}

export const bothSides = (step: Step): Point[] => [
  { ...step, side: 'before' },
  { ...step, side: 'after' },
];

/**
 * Counts the steps in all connections of one process, and acts at one of them.
 *
 * States: *open* -> *hit* (nothing more passes, in either direction); `arm()` leads back to *open*.
 */
export class Breakpoint {
  steps: Step[] = [];
  hit = false;
  #at: Point | null = null;
  #onHit = (): void => undefined;

  /** Restarts counting. @param onHit kills the process or breaks its connections, synchronously */
  arm(at: Point | null, onHit: () => void): void {
    this.#at = at;
    this.#onHit = onHit;
    this.steps = [];
    this.hit = false;
  }

  /** @returns the new step's number */
  count(kind: StepKind, what: string): number {
    const nr = this.steps.filter((step) => step.kind === kind).length + 1;
    this.steps.push({ kind, nr, what });
    return nr;
  }

  isAt(kind: StepKind, nr: number, side: Side): boolean {
    return this.#at?.kind === kind && this.#at.nr === nr && this.#at.side === side;
  }

  /** @returns whether nothing more may pass: this is the point, or it was hit earlier */
  stopsAt(kind: StepKind, nr: number, side: Side): boolean {
    if (this.hit) return true;
    this.hit = this.isAt(kind, nr, side);
    if (!this.hit) return false;
    this.#onHit(); // may arm it again
    return true;
  }
}
