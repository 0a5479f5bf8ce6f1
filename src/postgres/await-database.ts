import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { OperatorError } from '../foundation/operator-error';
import { Backoff } from '../foundation/retry';
import { connectionProblem, failureOf, needsOperator } from './errors';

/** Later, a single statement may be to blame for such an error; at the start, none is, so waiting helps. */
const OUT_OF_RESOURCES = /^53...$/;

/**
 * Repeats work on the database until it succeeds. It waits, however long that takes, for a server that is away, starting,
 * failing over or out of connections.
 *
 * @throws OperatorError if waiting cannot help: wrong credentials, database name, rights or certificates, or a refusal by
 *   the work itself
 */
export async function awaitDatabase(work: () => Promise<void>, log: Logger): Promise<void> {
  const backoff = new Backoff(200, 5_000);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      if (needsOperator(error)) throw new OperatorError(connectionProblem(error), { cause: error });
      const failure = failureOf(error);
      if (failure.kind === 'permanent' && !OUT_OF_RESOURCES.test(failure.code)) throw error;
      log.warn({ failure }, 'database not usable yet, trying again');
    }
    await delay(backoff.next());
  }
}
