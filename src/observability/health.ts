import { within } from '../foundation/timeout';

/** A part of the process that can be out of order. */
export interface Part {
  /** What does not work now, and what to do: short sentences without personal data or secrets. Empty when all is well. */
  problems(): readonly string[] | Promise<readonly string[]>;
  /** What works and still is worth an operator's look. */
  hints?(): readonly string[];
}

/** Load balancers time out after some seconds: answer earlier, even if a part does not. */
const ANSWER_MS = 4_000;

/** The state of all parts of the process, for the health check. */
export class Health {
  readonly #parts = new Map<string, Part>();

  watch(name: string, part: Part): void {
    this.#parts.set(name, part);
  }

  /** The hints of all parts. */
  hints(): string[] {
    return [...this.#parts.values()].flatMap((part) => part.hints?.() ?? []);
  }

  /** The problems of each part, by its name. */
  async read(): Promise<ReadonlyMap<string, readonly string[]>> {
    const read = async ([name, part]: [string, Part]) => [name, await problemsOf(part)] as const;
    return new Map(await Promise.all([...this.#parts].map(read)));
  }
}

function problemsOf(part: Part): Promise<readonly string[]> {
  return within(ANSWER_MS, Promise.resolve(part.problems()), [`The check did not end within ${ANSWER_MS / 1_000} s.`]);
}
