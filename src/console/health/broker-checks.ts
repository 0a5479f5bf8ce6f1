/** The parts that the message broker tells about. */
import { OperatorError } from '../../foundation/operator-error';
import { within } from '../../foundation/timeout';
import { count } from '../../operations/render';
import { BrokerRefusal, describe } from '../../rabbitmq/errors';
import {
  DEAD_LETTERS,
  FXA_QUEUE,
  MAILER_QUEUE,
  NEWSLETTER_QUEUE,
  RETRY_DELAYS,
  retryQueue,
  UNROUTED,
} from '../../rabbitmq/names';
import { type Inspection, inspectBroker, type QueueState } from '../../rabbitmq/topology/inspect';
import type { ConsoleContext } from '../frame/context';
import { CHECK_MS, type Finding, notChecked, ok, toDo } from './check';

const PARTS = [
  'Newsletter events',
  'Account events',
  'Mailer',
  'Retries',
  'Dead letters',
  'Unrouted',
  'Topology',
] as const;

/** Each after the other on one connection, which is closed afterwards. */
export async function brokerFindings(withBroker: ConsoleContext['withBroker']): Promise<Finding[]> {
  if (withBroker === null) {
    return all(
      notChecked('Message broker', 'AMQP_URL is not set: the console does not know the broker.'),
      'No broker is set.',
    );
  }
  const looking = withBroker(({ connection }) => inspectBroker(connection));
  looking.catch(() => undefined); // it may reject after the page was answered
  try {
    const found = await within(CHECK_MS, looking, null);
    if (found !== null) return findingsOf(found);
    return all(broker(`It did not answer within ${CHECK_MS / 1_000} s.`, LOOK), AWAY);
  } catch (error) {
    const isOurs = error instanceof OperatorError || error instanceof BrokerRefusal;
    const todo = isOurs ? error.message : `Look at its log (${describe(error).code ?? 'connection lost'}).`;
    return all(broker('It cannot be used: events wait where they are sent from.', todo), AWAY);
  }
}

const LOOK = 'Check that it is up, and not overloaded.';
const AWAY = 'The broker tells nothing.';

const broker = (text: string, todo: string): Finding => ({
  part: 'Message broker',
  state: 'to do',
  ...toDo(text, todo),
});

const all = (first: Finding, why: string): Finding[] => [first, ...PARTS.map((part) => notChecked(part, why))];

function findingsOf({ version, missing, queues }: Inspection): Finding[] {
  const of = (
    part: (typeof PARTS)[number],
    queue: string,
    find: (state: QueueState) => ReturnType<typeof toDo>,
  ): Finding => {
    const state = queues.get(queue);
    return state ? finding(part, find(state)) : notChecked(part, `There is no queue ${queue}: see Topology.`);
  };
  const retried = RETRY_DELAYS.map((step) => queues.get(retryQueue(step))?.messages ?? 0).reduce(
    (sum, n) => sum + n,
    0,
  );
  return [
    finding('Message broker', ok(`RabbitMQ ${version} answers.`)),
    of('Newsletter events', NEWSLETTER_QUEUE, (state) => consumed(state, 'worker', 'newsletter events')),
    of('Account events', FXA_QUEUE, (state) => consumed(state, 'worker', 'account events')),
    of('Mailer', MAILER_QUEUE, (state) => consumed(state, 'mailer', 'notifications')),
    finding(
      'Retries',
      ok(retried === 0 ? 'None waits.' : `Waiting for another attempt, within minutes: ${count(retried, 'message')}.`),
    ),
    {
      ...of('Dead letters', DEAD_LETTERS, ({ messages }) =>
        messages === 0
          ? ok('There are none.')
          : toDo(`${count(messages, 'message')} could not be handled.`, 'See why, then replay or drop them.'),
      ),
      more: { path: '/dead-letters', name: 'Dead letters' },
    },
    of('Unrouted', UNROUTED, ({ messages, consumers }) => {
      const text = messages === 0 ? 'None waits.' : `${count(messages, 'message')} came while a queue was missing.`;
      if (consumers > 0) return ok(messages === 0 ? text : `${text} A worker moves them to the right queue.`);
      return toDo(text, ...(messages > 0 ? ['No worker moves them to the right queue: start one.'] : []));
    }),
    finding(
      'Topology',
      missing.length === 0
        ? ok('All exchanges and queues are there.')
        : toDo(`Missing: ${missing.join(', ')}.`, 'Start the service, or restart it: it declares them again.'),
    ),
  ];
}

const finding = (part: string, found: ReturnType<typeof toDo>): Finding => ({
  ...{ part, state: found.todo.length > 0 ? 'to do' : 'ok' },
  ...found,
});

function consumed({ messages, consumers }: QueueState, who: string, what: string) {
  const waiting = messages === 0 ? 'None waits' : `Waiting: ${count(messages, 'message')}`;
  if (consumers === 0) return toDo(`${waiting}.`, `No ${who} consumes ${what}: start one.`);
  return ok(`${waiting}; ${count(consumers, 'consumer')} of ${what}.`);
}
