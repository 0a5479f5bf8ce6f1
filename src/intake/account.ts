import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { accountsAway, notToken, refusedToken, tooLarge } from '../http/answers';
import { SECURITY_EVENT_ERRORS } from '../messages/http/schemas';
import { decode } from '../messages/incoming/decode';
import { isDeeperThan, MAX_DEPTH } from '../messages/incoming/decoded';
import { traceOf } from '../messages/trace';
import type { Metrics } from '../observability/metrics';
import { FXA_EVENTS, HEADERS } from '../rabbitmq/names';
import type { OutgoingMessage } from '../rabbitmq/publishing/outgoing';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import { atMostAtOnce } from './admission';
import { refuseEncodings, takeBytes } from './bytes';
import { encode } from './encode';
import type { IssuerKeys } from './issuer-keys';
import { publishAll } from './publish';
import { type Expected, refused, type Verified, verifyToken } from './verify-token';

export interface AccountRouteOptions {
  publisher: Pick<Publisher, 'ready' | 'publish'>;
  expected: Expected;
  keys: Pick<IssuerKeys, 'find'>;
  metrics: Metrics;
  log: Logger;
  /** Concurrent requests; further ones are answered 503. @default 100 */
  maxRequests?: number;
}

export const ACCOUNT_ROUTE = '/events/account';
/** Real tokens have about one kilobyte. */
export const MAX_TOKEN_BYTES = 16_384;
const MAX_REQUESTS = 100;

/** The possible outcomes of a token; a refused token is counted under its code of RFC 8935. */
export const ACCOUNT_OUTCOMES = ['published', 'ignored', 'unavailable', ...SECURITY_EVENT_ERRORS] as const;

/**
 * `POST /events/account`: Security Event Tokens, whose signature authenticates the sender. According to RFC 8935, the
 * body is the token and the answer is 202; Mozilla accounts send it as a bearer token without a body, and wait for 200.
 */
export async function accountRoute(app: FastifyInstance, options: AccountRouteOptions): Promise<void> {
  const { publisher, expected, keys, metrics, log, maxRequests = MAX_REQUESTS } = options;
  const count = (outcome: (typeof ACCOUNT_OUTCOMES)[number], by = 1): void =>
    metrics.intakeRequests.inc({ route: ACCOUNT_ROUTE, outcome }, by);
  for (const outcome of ACCOUNT_OUTCOMES) count(outcome, 0);
  const { admit, working } = atMostAtOnce(maxRequests);
  takeBytes(app, '*');

  app.post(
    '/account',
    // A request counts only once its body has arrived: otherwise clients without a key could take all places with slow
    // bodies.
    { onRequest: refuseEncodings, preHandler: admit, bodyLimit: MAX_TOKEN_BYTES },
    working(async (request, reply) => {
      const sent = tokenOf(request);
      if (sent === undefined) return notToken(reply);
      const verified = await verifyToken(sent.token, expected, keys);
      const message = 'claims' in verified ? messageOf(verified.claims, request) : verified;
      if ('err' in message) {
        count(message.err);
        return refusedToken(reply, message);
      }
      if ('retryAfterSeconds' in message) {
        count('unavailable');
        return accountsAway(reply, message.retryAfterSeconds);
      }
      if (message.outgoing === null) {
        count('ignored');
        return taken(reply, sent.status);
      }
      switch (await publishAll(publisher, [message.outgoing], log)) {
        case 'confirmed':
          count('published');
          return taken(reply, sent.status);
        case 'too_large':
          count('invalid_request');
          return tooLarge(reply, 'The token is larger than the broker accepts');
        case 'away':
          count('unavailable');
          return accountsAway(reply);
      }
    }),
  );
}

const taken = (reply: FastifyReply, status: number): FastifyReply => reply.code(status).send();

/** @returns undefined for a request that is neither form */
function tokenOf({ headers, body }: FastifyRequest): { token: string; status: number } | undefined {
  const sent = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  if (/^application\/secevent\+jwt *(;|$)/i.test(headers['content-type'] ?? '')) {
    return { token: sent.toString('latin1').trim(), status: 202 };
  }
  const token = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  return token !== undefined && sent.length === 0 ? { token, status: 200 } : undefined;
}

type Claims = Extract<Verified, { claims: object }>['claims'];

/** The message in the form that the account stream has; null for an event that does not concern contacts. */
function messageOf(
  { iss, sub, aud, iat, jti, events }: Claims,
  { headers }: FastifyRequest,
): { outgoing: OutgoingMessage | null } | ReturnType<typeof refused> {
  if (isDeeperThan(MAX_DEPTH, events)) {
    return refused('invalid_request', `events: is nested deeper than ${MAX_DEPTH} levels`);
  }
  const now = Date.now();
  const content = encode({ iss, sub, aud, iat, jti, events });
  const trace = traceOf(headers);
  const decoded = decode('fxa', content, { trace, now });
  if (decoded.kind === 'dead') return refused('invalid_request', decoded.problems.join('; '));
  if (decoded.kind === 'ignored') return { outgoing: null };
  return {
    outgoing: {
      exchange: FXA_EVENTS,
      routingKey: decoded.event.trigger.event,
      content,
      contentType: 'application/json',
      timestamp: Math.floor(now / 1_000),
      ...(trace && { headers: { [HEADERS.traceParent]: trace.parent, [HEADERS.traceState]: trace.state } }),
    },
  };
}
