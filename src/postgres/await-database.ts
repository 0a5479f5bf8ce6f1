import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { OperatorError } from '../foundation/operator-error';
import { Backoff } from '../foundation/retry';
import { connectionProblem, failureOf, needsOperator } from './errors';

/** One statement may be to blame when memory runs out later, but none is at the start. */
const OUT_OF_RESOURCES = /^53...$/;

/**
 * Repeats work on the database until it succeeds: a server that is away, starting, failing over or out of connections is
 * waited for, however long it takes.
 *
 * @throws OperatorError for what waiting does not cure: credentials, the name of the database, rights, certificates, or a
 *   refusal by the work itself
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
