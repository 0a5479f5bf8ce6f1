/** Work on the queue of dead letters, for one page at a time. */
import { OperatorError } from '../../foundation/operator-error';
import { within } from '../../foundation/timeout';
import type { Broker } from '../../operations/servers';
import { BrokerRefusal, codeOf } from '../../rabbitmq/errors';
import type { ConsoleContext } from '../frame/context';
import { NotNow } from '../frame/not-now';

/** How long a page waits for another page of this console. */
const PATIENCE_MS = 25_000;

/** How long reading the queue for a page may take. */
export const PAGE_MS = 20_000;
/** How long a replay or a drop may take. */
export const CHANGE_MS = 120_000;

export type OnQueue = <T>(work: (broker: Broker) => Promise<T>) => Promise<T>;

/** @throws NotNow if there is no broker, if it does not answer, or if another operator works on the queue */
export function queueWork({ withBroker }: ConsoleContext): OnQueue {
  let last: Promise<unknown> = Promise.resolve();
  return async (work) => {
    if (withBroker === null) throw new NotNow(NO_BROKER);
    const before = last;
    let isOver = (): void => undefined;
    last = new Promise<void>((resolve) => (isOver = resolve));
    if ((await within(PATIENCE_MS, before, LATE)) === LATE) {
      void before.then(isOver);
      throw new NotNow(BUSY);
    }
    try {
      return await connected(withBroker, work);
    } finally {
      isOver();
    }
  };
}

const LATE = Symbol('late');

async function connected<T>(
  withBroker: NonNullable<ConsoleContext['withBroker']>,
  work: (broker: Broker) => Promise<T>,
): Promise<T> {
  let isConnected = false;
  try {
    return await withBroker((broker) => {
      isConnected = true;
      return work(broker);
    });
  } catch (error) {
    if (error instanceof BrokerRefusal) {
      throw new NotNow(codeOf(error.cause) === 405 ? BUSY : `${error.message} ${ASK}`);
    }
    if (error instanceof OperatorError && !isConnected) throw new NotNow(`${error.message} ${ASK}`);
    throw error;
  }
}

const ASK = 'Ask an administrator of OneContact.';
const NO_BROKER = `The console has no message broker, where the dead letters are: AMQP_URL is not set. ${ASK}`;
const BUSY =
  'Another operator is working on the dead letters: at a console, or with the command dead-letters or erase. ' +
  'Only one operator can at a time. Nothing was changed: try again in a moment.';
