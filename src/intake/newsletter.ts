import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { badRequest, brokerAway, malformed, missingScope, noStore, tooLarge } from '../http/answers';
import type { RequireScope } from '../http/authorise';
import { traceOf } from '../messages/trace';
import type { Metrics } from '../observability/metrics';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import { atMostAtOnce } from './admission';
import { refuseEncodings, takeBytes } from './bytes';
import { publishAll } from './publish';
import { readMessages } from './read-messages';

export interface NewsletterRouteOptions {
  publisher: Pick<Publisher, 'ready' | 'publish'>;
  requireScope: RequireScope;
  metrics: Metrics;
  log: Logger;
  /** Concurrent requests; further ones are answered 503. @default 32: each may take two mebibytes of memory */
  maxRequests?: number;
}

export const NEWSLETTER_ROUTE = '/events/newsletter';
export const MAX_BODY_BYTES = 1_024 * 1_024;
const MAX_REQUESTS = 32;

/** The possible outcomes of a request that was read. */
export const NEWSLETTER_OUTCOMES = ['published', 'malformed', 'forbidden', 'unavailable'] as const;

/** `POST /events/newsletter`: one newsletter message or a list, published as a whole or refused as a whole. */
export async function newsletterRoute(app: FastifyInstance, options: NewsletterRouteOptions): Promise<void> {
  const { publisher, requireScope, metrics, log, maxRequests = MAX_REQUESTS } = options;
  const count = (outcome: (typeof NEWSLETTER_OUTCOMES)[number], by = 1): void =>
    metrics.intakeRequests.inc({ route: NEWSLETTER_ROUTE, outcome }, by);
  for (const outcome of NEWSLETTER_OUTCOMES) count(outcome, 0);
  const { admit, working } = atMostAtOnce(maxRequests);
  takeBytes(app, 'application/json');

  app.post(
    '/newsletter',
    { onRequest: [requireScope('write'), refuseEncodings, admit], bodyLimit: MAX_BODY_BYTES },
    working(async (request, reply) => {
      const read = await readMessages(request.body as Buffer, {
        now: Date.now(),
        vouches: request.scopes.has('vouch'),
        trace: traceOf(request.headers),
      });
      if ('tooMany' in read || 'refusal' in read || 'problems' in read) {
        count('malformed');
        if ('tooMany' in read) return tooLarge(reply, read.tooMany);
        return 'refusal' in read ? badRequest(reply, read.refusal) : malformed(reply, read.problems);
      }
      if ('unproven' in read) {
        count('forbidden');
        return missingScope(reply, 'vouch', read.unproven);
      }
      const { messages, answer } = read;
      switch (await publishAll(publisher, messages, log)) {
        case 'confirmed':
          count('published');
          return noStore(reply).code(202).send(answer);
        case 'too_large':
          count('malformed');
          return tooLarge(reply, 'A message is larger than the broker accepts');
        case 'away':
          count('unavailable');
          return brokerAway(reply, answer.events);
      }
    }),
  );
}
