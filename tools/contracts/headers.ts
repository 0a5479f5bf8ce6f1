/** The AMQP headers and properties that other systems see. */
import { z } from 'zod';
import { DEAD_LETTER_REASONS } from '../../src/messages/incoming/decoded';
import { SCHEMA_VERSIONS } from '../../src/messages/outgoing/schemas';
import { MAX_TRACESTATE, TRACEPARENT } from '../../src/messages/trace';
import { FXA_QUEUE, HEADERS, NEWSLETTER_QUEUE, UNROUTED } from '../../src/rabbitmq/names';
import { BROKER_REASONS } from '../../src/rabbitmq/publishing/dead-letter';

const trace = {
  [HEADERS.traceParent]: z.string().regex(TRACEPARENT).optional().describe('W3C Trace Context'),
  [HEADERS.traceState]: z.string().max(MAX_TRACESTATE).optional().describe('W3C Trace Context'),
};

/** Headers of an incoming message. A malformed trace is ignored. */
export const IncomingHeaders = z.object(trace);

/** Headers of an outgoing message. The trace is that of the message that caused it. */
export const ContactEventHeaders = z.object({
  [HEADERS.schemaVersion]: z
    .enum(SCHEMA_VERSIONS)
    .describe(
      'Rises when a field goes or changes its meaning. The schemas are those of the latest; docs/messages-out.md says how ' +
        'messages of an earlier version differ, which may still wait in outboxes and queues',
    ),
  ...trace,
});

export const ContactEventProperties = z.object({
  messageId: z.guid().describe('The same however often the message is delivered: what a consumer de-duplicates by'),
  type: z.string().describe('The routing key'),
  timestamp: z.int().describe('When it was written, in seconds since 1970'),
  contentType: z.literal('application/json'),
  deliveryMode: z.literal(2).describe('Persistent'),
});

const Instant = z.iso.datetime();
const count = z.int().nonnegative();

/** Headers of a message that a worker dead-lettered. All other headers are the message's own. */
export const DeadLetterHeaders = z.object({
  [HEADERS.reason]: z
    .enum([...DEAD_LETTER_REASONS, 'failed', 'unknown_exchange', ...BROKER_REASONS])
    .describe(
      '`failed`: it failed after every retry delay. `unknown_exchange`: a policy made `contacts.unrouted` the alternate ' +
        'exchange of an exchange other than those for events. ' +
        `${BROKER_REASONS.map((reason) => `\`${reason}\``).join(', ')}: the broker had set it aside, and an operator has ` +
        'looked at it since',
    ),
  [HEADERS.error]: z
    .string()
    .optional()
    .describe(
      'The list of problems (fields, never values), or the code of the error, with what it means if that is known',
    ),
  [HEADERS.attempts]: count.describe('How often handling it has failed since it was new or last replayed'),
  [HEADERS.originQueue]: z.enum([FXA_QUEUE, NEWSLETTER_QUEUE, UNROUTED]),
  [HEADERS.firstSeen]: Instant.optional(),
  [HEADERS.lastSeen]: Instant.optional(),
  [HEADERS.waits]: count.optional().describe('How often it waited because others had locked its rows'),
  [HEADERS.replays]: count.optional().describe('How often an operator has sent it back'),
  [HEADERS.earlierAttempts]: count.optional().describe('Failed attempts before the last replay'),
  [HEADERS.earlierDeaths]: z
    .array(
      z.object({
        [HEADERS.reason]: z.string(),
        [HEADERS.error]: z.string(),
        [HEADERS.attempts]: count,
        [HEADERS.lastSeen]: z.string(),
      }),
    )
    .optional()
    .describe('Why it was a dead letter before: the latest few times, oldest first'),
});

/** Headers of a message that the broker dead-lettered: it killed its workers, or was too large to publish again. */
export const BrokerDeadLetterHeaders = z.object({
  'x-death': z
    .array(z.looseObject({ reason: z.string(), queue: z.string() }))
    .describe(`RabbitMQ's own history; its first reason is one of ${BROKER_REASONS.join(', ')}`),
});
