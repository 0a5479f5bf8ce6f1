import type { Worker } from '../servers/worker';

/** An outage: its beginning and its end, and what must be seen of it. */
export interface Outage {
  what: string;
  /** What must be there before it begins, such as a standby. */
  prepare?(): Promise<unknown>;
  begin(): unknown;
  end(): unknown;
  /**
   * The workers whose heartbeats must turn red, how many of them (all, if it does not say), and from when on (from the
   * beginning, if it does not say).
   */
  red?: { workers: readonly Worker[]; enough?: number; once?: () => Promise<boolean> };
  /** Whether the service has declared again what was deleted. */
  isDeclaredAgain?(): Promise<boolean>;
}

/** Looks at what becomes of a fault. */
export interface Witness {
  /** Looks at the heartbeats until they are red, or the fault has ended: a fault that ends sooner need not be seen. */
  red(outage: Outage, ended: AbortSignal): Promise<void>;
  /** Waits until what was deleted is declared again. */
  declared(outage: Outage, signal: AbortSignal): Promise<void>;
  /** Waits until the work queues were empty once after the fault's end: all that was accepted until then is handled. */
  handled(outage: Outage, signal: AbortSignal): Promise<void>;
}
