/** Every HTTP endpoint with its answers. The OpenAPI document and the reference are generated from this list. */
import { z } from 'zod';
import { MAX_CHANGES } from '../../src/http/changes';
import { DEFAULT_PAGE, MAX_PAGE } from '../../src/http/contacts';
import * as body from '../../src/messages/http/schemas';
import { EVENT_ENDPOINTS } from './http-events';
import * as example from './http-examples';
import { BUSY, type EndpointSpec, FAILED, KEYED, NOT_FOUND, ok, RETRY_AFTER, refusal } from './http-spec';

const lookUp = (
  operationId: string,
  path: string,
  parameters: EndpointSpec['parameters'],
  summary: string,
): EndpointSpec => ({
  method: 'get',
  path,
  operationId,
  summary,
  scope: 'read',
  parameters,
  answers: [ok('Contact', example.CONTACT), ...KEYED, NOT_FOUND, FAILED, BUSY],
});

export const ENDPOINTS: readonly EndpointSpec[] = [
  lookUp(
    'contactByToken',
    '/contacts/by-token/{key}',
    { key: { description: 'The live basket token', example: example.TOKEN } },
    'The contact that a basket token opens',
  ),
  lookUp(
    'contactByEmail',
    '/contacts/by-email/{key}',
    {
      key: { description: 'Any address of the contact, in any spelling, percent-encoded', example: 'ada%40mail.test' },
    },
    'The contact that has an address',
  ),
  lookUp(
    'contactByAccount',
    '/contacts/by-account/{key}',
    { key: { description: 'The uid of the live account: 32 hexadecimal digits, or a uuid', example: example.UID } },
    'The contact of an account',
  ),
  lookUp(
    'contactById',
    '/contacts/{key}',
    { key: { description: 'The contact id', example: example.CONTACT_ID } },
    'The contact with an id',
  ),
  {
    method: 'post',
    path: '/contacts/lookup',
    operationId: 'lookUpContacts',
    summary: `The contacts of up to ${body.MAX_KEYS} keys`,
    description:
      'A key is one of `email`, `token`, `account` and `id`. The answer has one entry a key, in order, all of one moment: null for ' +
      'a key that opens no contact. A malformed key is refused, and nothing is looked up.',
    scope: 'read',
    parameters: {},
    request: { schema: 'LookupRequest', example: example.LOOKUP },
    answers: [
      ok('LookupAnswer', example.LOOKED_UP, 'One entry a key'),
      refusal(400, 'The body is not JSON, or malformed at the places in `problems`', example.MALFORMED),
      ...KEYED,
      refusal(413, `More than ${body.MAX_KEYS} keys, or more than 256 KiB`, example.TOO_LARGE),
      refusal(415, 'The Content-Type is not application/json', example.NOT_JSON),
      FAILED,
      BUSY,
    ],
  },
  {
    method: 'get',
    path: '/contacts/{key}/history',
    operationId: 'contactHistory',
    summary: 'The merges that led to a contact',
    description:
      'In pages. The oldest merges come first, and those of a contact that was merged come before the merge that brought it.',
    scope: 'read',
    parameters: { key: { description: 'The contact id', example: example.CONTACT_ID } },
    query: {
      limit: {
        description: `The most merges of the page: 1 to ${MAX_PAGE}, and ${DEFAULT_PAGE} by default`,
        schema: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
        example: String(DEFAULT_PAGE),
      },
      after: {
        description: 'The `next` of the page before; the first page has none',
        schema: z.guid(),
        example: example.MERGE_ID,
      },
    },
    answers: [
      ok('History', example.HISTORY),
      refusal(400, '`limit` or `after` is malformed; `desc` says what it must be', example.BAD_LIMIT),
      ...KEYED,
      NOT_FOUND,
      FAILED,
      BUSY,
    ],
  },
  {
    method: 'get',
    path: '/changes',
    operationId: 'changes',
    summary: 'The change feed: contacts that changed, and tombstones of those that ended',
    description:
      'For systems that keep a copy of the contacts: [change-feed.md](../change-feed.md) says how to read it and what it promises. The ' +
      'first request has no `after`, and begins with every contact.',
    scope: 'read',
    parameters: {},
    query: {
      after: {
        description: 'The `next` of an earlier answer, unchanged',
        schema: z.string(),
        example: example.CURSOR,
      },
      limit: {
        description: `The most changes of the answer: 1 to ${MAX_CHANGES}, which is the default`,
        schema: z.int().min(1).max(MAX_CHANGES).default(MAX_CHANGES),
        example: String(MAX_CHANGES),
      },
    },
    answers: [
      ok('Changes', example.CHANGES, 'What changed since the cursor'),
      refusal(400, 'A parameter is malformed, given twice or unknown; `desc` names it', example.BAD_CURSOR),
      ...KEYED,
      refusal(410, 'The cursor is from before a restore of the database', example.GONE),
      FAILED,
      BUSY,
    ],
  },
  {
    method: 'get',
    path: '/preferences/{token}',
    operationId: 'preferences',
    summary: 'What a preference page shows',
    description:
      'Offered with `PUBLIC_PREFERENCES=true` only. The token is all that identifies the reader, so the address is masked and ' +
      'nothing else is told. A contact id or a retired token opens nothing.',
    scope: null,
    parameters: { token: { description: 'The live basket token', example: example.TOKEN } },
    answers: [
      ok('Preferences', example.PREFERENCES),
      NOT_FOUND,
      refusal(429, 'More than 60 requests of this client in a minute', example.TOO_OFTEN, RETRY_AFTER),
      FAILED,
      BUSY,
    ],
  },
  ...EVENT_ENDPOINTS,
  {
    method: 'get',
    path: '/',
    operationId: 'index',
    summary: 'What this service is, and where to look',
    scope: null,
    parameters: {},
    answers: [ok('Index', example.INDEX, 'The front page')],
  },
  {
    method: 'get',
    path: '/__heartbeat__',
    operationId: 'heartbeat',
    summary: 'The state of each part of the process',
    scope: null,
    parameters: {},
    answers: [
      ok('Heartbeat', example.HEALTHY, 'Every part works'),
      { status: 500, description: 'A part does not work', schema: 'Heartbeat', example: example.UNHEALTHY },
    ],
  },
  {
    method: 'get',
    path: '/__lbheartbeat__',
    operationId: 'loadBalancerHeartbeat',
    summary: 'A sign of life of the process',
    scope: null,
    parameters: {},
    answers: [ok('Empty', {}, 'The process is up')],
  },
  {
    method: 'get',
    path: '/__version__',
    operationId: 'version',
    summary: 'The version that runs',
    scope: null,
    parameters: {},
    answers: [ok('Version', example.VERSION, 'As the image or package says')],
  },
  {
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    scope: null,
    parameters: {},
    answers: [ok(null, 'onecontact_outbox_messages 0\n', 'In the text format of Prometheus')],
  },
];
