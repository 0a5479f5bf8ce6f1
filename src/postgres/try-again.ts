import { setTimeout as delay } from 'node:timers/promises';
import { failureOf } from './errors';

const ATTEMPTS = 5;

/** Does a transaction again that failed by chance, a few times. */
export async function retryTransient<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (failureOf(error).kind !== 'transient' || attempt === ATTEMPTS) throw error;
      await delay(Math.random() * 20 * 2 ** attempt);
    }
  }
}
