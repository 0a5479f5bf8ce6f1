/** A check of one part: bounded in time, and it never fails. */
import { OperatorError } from '../../foundation/operator-error';
import { within } from '../../foundation/timeout';
import { connectionProblem, failureOf } from '../../postgres/errors';

/** What is known of a part. */
export interface Finding {
  part: string;
  state: 'ok' | 'to do' | 'not checked';
  /** What is so. */
  text: string;
  /** What to do. */
  todo: readonly string[];
  /** The page that shows more. */
  more?: { path: string; name: string };
}

/** The reader of the page waits for the slowest check. */
export const CHECK_MS = 4_000;

export const ok = (text: string) => ({ text, todo: [] });
export const toDo = (text: string, ...todo: readonly string[]) => ({ text, todo });

type Found = Omit<Finding, 'part' | 'state'>;

/** @param work tells what is so; an OperatorError is something to do */
export async function check(part: string, work: () => Promise<Found>): Promise<Finding> {
  try {
    const found = await within(CHECK_MS, work(), null);
    if (found === null) return notChecked(part, `The check did not end within ${CHECK_MS / 1_000} s.`);
    return { part, state: found.todo.length > 0 ? 'to do' : 'ok', ...found };
  } catch (error) {
    if (error instanceof OperatorError)
      return { part, state: 'to do', ...toDo('It is not as it must be.', error.message) };
    const { kind, code } = failureOf(error);
    return notChecked(part, kind === 'down' ? connectionProblem(error) : `The check failed (${code}).`);
  }
}

export const notChecked = (part: string, text: string): Finding => ({ part, state: 'not checked', text, todo: [] });
