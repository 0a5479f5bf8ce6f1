import { DEAD_LETTERS, FXA_EVENTS, MAILER_QUEUE, NEWSLETTER_EVENTS, UNROUTED } from '../../rabbitmq/names';
import { EXCHANGE_SPECS, QUEUE_SPECS } from '../../rabbitmq/topology/topology';

export interface Policy {
  readonly name: string;
  readonly pattern: string;
  readonly 'apply-to': 'exchanges' | 'queues';
  readonly definition: Readonly<Record<string, string | number>>;
}

/** A queue of this length refuses messages, which then wait where they are. None is dropped. */
const MAX_LENGTH = 1_000_000;

const only = (...names: readonly string[]): string =>
  `^(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$`;

/**
 * The policies to set beside the topology; a client cannot set them over AMQP.
 *
 * Only exchanges for events get the alternate exchange. A message that `contacts.events` or `contacts.retry` cannot route
 * must be returned, so that it stays in the outbox, or unacknowledged.
 *
 * The limits drop nothing: a full queue rejects what is published, and no number of deliveries deletes a message.
 * RabbitMQ 3 has no default delivery limit, and refuses -1.
 */
export function policiesFor(major: 3 | 4): Policy[] {
  const limits = {
    'max-length': MAX_LENGTH,
    overflow: 'reject-publish',
    ...(major > 3 && { 'delivery-limit': -1 }),
  };
  return [
    {
      name: 'onecontact-unrouted',
      pattern: only(FXA_EVENTS, NEWSLETTER_EVENTS),
      'apply-to': 'exchanges',
      definition: { 'alternate-exchange': UNROUTED },
    },
    {
      name: 'onecontact-limits',
      pattern: only(MAILER_QUEUE, DEAD_LETTERS),
      'apply-to': 'queues',
      definition: limits,
    },
  ];
}

/** The topology and its policies as RabbitMQ imports them: `rabbitmqctl import_definitions`, or the management plugin. */
export function definitionsFor({ vhost, major }: { vhost: string; major: 3 | 4 }) {
  const lasting = { durable: true, auto_delete: false };
  return {
    exchanges: EXCHANGE_SPECS.map(({ name, type }) => ({
      ...{ name, vhost, type, ...lasting, internal: false, arguments: {} },
    })),
    queues: QUEUE_SPECS.map(({ name, arguments: args }) => ({ name, vhost, ...lasting, arguments: args })),
    bindings: QUEUE_SPECS.flatMap(({ name, binding }) =>
      binding === undefined
        ? []
        : [
            {
              source: binding.exchange,
              vhost,
              destination: name,
              destination_type: 'queue',
              routing_key: binding.pattern,
              arguments: binding.arguments ?? {},
            },
          ],
    ),
    policies: policiesFor(major).map((policy) => ({ vhost, ...policy, priority: 10 })),
  };
}

/** The same policies, as commands for an operator to type. */
export const policyCommands = (vhost: string, major: 3 | 4): string[] =>
  policiesFor(major).map(
    ({ name, pattern, 'apply-to': applyTo, definition }) =>
      `rabbitmqctl set_policy --vhost ${quoted(vhost)} --priority 10 --apply-to ${applyTo} ${name} '${pattern}' '${JSON.stringify(definition)}'`,
  );

const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
