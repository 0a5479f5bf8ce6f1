import { MAX_MESSAGES } from '../../src/messages/http/schemas';
import * as example from './http-examples';
import { type EndpointSpec, FAILED, RETRY_AFTER, refusal } from './http-spec';

/** The endpoints of the part `intake`. */
export const EVENT_ENDPOINTS: readonly EndpointSpec[] = [
  {
    method: 'post',
    path: '/events/newsletter',
    operationId: 'sendNewsletterEvents',
    summary: `One newsletter message, or a list of up to ${MAX_MESSAGES}`,
    description:
      'The messages are those of [messages.md](messages.md). All are published to `newsletter.events`, or none, if one would be a dead ' +
      'letter; the contact follows once a worker has handled them. `ts` may be absent in a message that comes alone: send it with ' +
      'the time of the answer if you send it again, which changes nothing. A message needs the scope `vouch` to prove consent: ' +
      'without it `optin` is left out with a warning, and a `newsletter.confirm` by address is refused. A `traceparent` header is passed on ' +
      'with the messages. Offered by the part `intake`.',
    scope: 'write',
    parameters: {},
    request: { schema: 'Events', example: example.SIGN_UP },
    answers: [
      { status: 202, description: 'Taken: the broker has all of it', schema: 'EventsAnswer', example: example.TAKEN },
      refusal(
        400,
        'The body is not UTF-8 or not JSON, or a message would be a dead letter: `problems` has the places',
        example.MALFORMED_EVENTS,
      ),
      refusal(401, 'The API key is missing or unknown', example.NOT_AUTHORISED),
      refusal(
        403,
        'The API key lacks the scope `write`; or `vouch`, which the messages in `problems` need',
        example.UNPROVEN,
      ),
      refusal(413, `More than ${MAX_MESSAGES} messages, or more than 1 MiB`, example.TOO_MANY_EVENTS),
      refusal(415, 'The Content-Type is not application/json, or there is a Content-Encoding', example.NOT_JSON),
      FAILED,
      refusal(
        503,
        'The broker is away or blocked, or too many requests came at once. With `events`, some messages may have been taken',
        example.BROKER_AWAY,
        RETRY_AFTER,
      ),
    ],
  },
  {
    method: 'post',
    path: '/events/account',
    operationId: 'sendAccountEvent',
    summary: 'A Security Event Token (RFC 8417) of the account provider',
    description:
      'As RFC 8935 has it: the token is the body. Mozilla accounts send it as a bearer token (`Authorization: Bearer TOKEN`) without a ' +
      'body, and are answered 200 instead of 202. The signature authenticates the sender: `ACCOUNTS_ISSUER`, `ACCOUNTS_AUDIENCE` and ' +
      '`ACCOUNTS_JWKS_URL` say whose tokens are taken. A repeated token changes nothing. `iat` is the time of delivery, and ' +
      'counts as the time of the event, because a token has no other: where you can have the raw stream of account events, use that. ' +
      'Offered by the part `intake`.',
    scope: null,
    parameters: {},
    request: {
      schema: 'SecurityEventToken',
      example: 'eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2FjY291bnRzLnRlc3QifQ.c2lnbmF0dXJl',
      type: 'application/secevent+jwt',
      shell: '"$TOKEN"',
    },
    answers: [
      {
        status: 202,
        description: 'Accepted, or ignored because it does not concern contacts',
        schema: null,
        example: '',
      },
      {
        status: 400,
        description: 'Refused: do not send it again. `err` is a code of RFC 8935',
        schema: 'SecurityEventRefusal',
        example: example.REFUSED_TOKEN,
      },
      refusal(413, 'More than 16 KiB', example.TOKEN_TOO_LARGE),
      refusal(415, 'Neither a body of that type nor a bearer token alone, or a Content-Encoding', example.NOT_TOKEN),
      FAILED,
      refusal(
        503,
        'The broker is away, or the keys of the issuer cannot be read: send it again',
        example.ACCOUNTS_AWAY,
        RETRY_AFTER,
      ),
    ],
  },
];
