import { within } from '../foundation/timeout';

/** A part of the process that can have problems. */
export interface Part {
  /** What does not work now, and what to do: short sentences without personal data or secrets. Empty when all is well. */
  problems(): readonly string[] | Promise<readonly string[]>;
  /** What an operator should know, although the part works now. */
  hints?(): readonly string[];
}

export interface PartState {
  problems: readonly string[];
  hints: readonly string[];
}

/** Load balancers time out after a few seconds: the check answers earlier, even if a part does not. */
const ANSWER_MS = 4_000;

/** The state of all parts of the process, for the health check. */
export class Health {
  readonly #parts = new Map<string, Part>();

  watch(name: string, part: Part): void {
    this.#parts.set(name, part);
  }

  /** The state of each part, by its name. */
  async read(): Promise<ReadonlyMap<string, PartState>> {
    const read = async ([name, part]: [string, Part]) =>
      [name, { problems: await problemsOf(part), hints: part.hints?.() ?? [] }] as const;
    return new Map(await Promise.all([...this.#parts].map(read)));
  }
}

function problemsOf(part: Part): Promise<readonly string[]> {
  return within(ANSWER_MS, Promise.resolve(part.problems()), [`The check did not end within ${ANSWER_MS / 1_000} s.`]);
}
