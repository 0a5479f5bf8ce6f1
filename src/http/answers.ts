/** Answers without a contact, in the style and with the codes that Basket's clients know. */
import type { FastifyReply } from 'fastify';
import type { ErrorBody, SecurityEventRefusal } from '../messages/http/schemas';

const RETRY_AFTER_SECONDS = '2';

/** What is wrong at one place of a body, such as `keys[3].email`; an empty place is the whole body. */
export type Problem = NonNullable<ErrorBody['problems']>[number];

const send = (
  reply: FastifyReply,
  status: number,
  code: number,
  desc: string,
  more: Partial<ErrorBody> = {},
): FastifyReply =>
  reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ status: 'error', code, desc, ...more } satisfies ErrorBody));

/** A retired token must answer 404 from the commit on, so caches must not answer for the service. */
export const noStore = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'no-store');

/** The same answer for every key that opens no live contact, so that a retired key looks like one that never existed. */
export const userNotFound = (reply: FastifyReply): FastifyReply => send(noStore(reply), 404, 4, 'User not found');

export const badRequest = (reply: FastifyReply, desc: string, problems?: Problem[]): FastifyReply =>
  send(noStore(reply), 400, 5, desc, problems && { problems });

export const notAuthorised = (reply: FastifyReply): FastifyReply =>
  send(noStore(reply).header('www-authenticate', 'Bearer realm="onecontact"'), 401, 7, 'A valid API key is required');

export const missingScope = (reply: FastifyReply, scope: string, problems?: Problem[]): FastifyReply =>
  send(noStore(reply), 403, 7, `This API key lacks the scope ${scope}`, problems && { problems });

export const foreignHost = (reply: FastifyReply): FastifyReply =>
  send(noStore(reply), 403, 7, 'Without an API key, the Host header must name this machine, such as 127.0.0.1');

export const gone = (reply: FastifyReply): FastifyReply =>
  send(
    noStore(reply),
    410,
    5,
    'The cursor is from before a restore of the database: read everything again, without after, then delete the contacts that were not in it',
  );

/** Long, because an operator has to act first. */
const RENEWED_AFTER_SECONDS = '60';

export const notRenewed = (reply: FastifyReply): FastifyReply =>
  send(
    noStore(reply).header('retry-after', RENEWED_AFTER_SECONDS),
    503,
    99,
    'The database was restored from a dump: an operator must run `onecontact feed renew` before changes can be read',
  );

export const notJson = (reply: FastifyReply): FastifyReply =>
  send(noStore(reply), 415, 99, 'The Content-Type must be application/json');

export const malformed = (reply: FastifyReply, problems: Problem[]): FastifyReply =>
  badRequest(reply, 'The body is malformed: see problems', problems);

export const tooLarge = (reply: FastifyReply, desc: string): FastifyReply => send(noStore(reply), 413, 5, desc);

/** A request that was refused before it reached its route. */
export function refused(reply: FastifyReply, status: number): FastifyReply {
  switch (status) {
    case 413:
      return tooLarge(reply, 'The body is too large');
    case 415:
      return notJson(reply);
    case 429:
      return send(noStore(reply), 429, 99, 'Too many requests from this address: try again later');
    default:
      return badRequest(reply, 'The body is not JSON');
  }
}

export const busy = (reply: FastifyReply, desc = 'Too busy, or the database is away: try again'): FastifyReply =>
  send(noStore(reply).header('retry-after', RETRY_AFTER_SECONDS), 503, 99, desc);

/** @param events the messages that may nevertheless have been accepted */
export const brokerAway = (reply: FastifyReply, events: NonNullable<ErrorBody['events']>): FastifyReply =>
  send(
    noStore(reply).header('retry-after', RETRY_AFTER_SECONDS),
    503,
    99,
    'The broker accepts no messages now: send the same again, with the times in events; messages that were already accepted do no harm',
    { events },
  );

export const notToken = (reply: FastifyReply): FastifyReply =>
  send(
    noStore(reply),
    415,
    99,
    'Send the token as a body of the type application/secevent+jwt, or as a bearer token without a body',
  );

/** In the format of RFC 8935. */
export const refusedToken = (reply: FastifyReply, refusal: SecurityEventRefusal): FastifyReply =>
  noStore(reply).code(400).header('content-language', 'en').send(refusal);

export const accountsAway = (reply: FastifyReply, seconds = Number(RETRY_AFTER_SECONDS)): FastifyReply =>
  send(
    noStore(reply).header('retry-after', seconds),
    503,
    99,
    'The broker is away, or the keys of the issuer cannot be read: send the token again',
  );

export const encodedBody = (reply: FastifyReply): FastifyReply =>
  send(noStore(reply), 415, 99, 'The body must have no Content-Encoding');

export const noSuchPage = (reply: FastifyReply): FastifyReply => send(reply, 404, 5, 'Not found');

export const failed = (reply: FastifyReply): FastifyReply => send(reply, 500, 99, 'Something went wrong here');
