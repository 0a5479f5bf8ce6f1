/** What the list of HTTP endpoints is made of: shapes, schemas, and refusals that many endpoints have. */
import { z } from 'zod';
import type { Scope } from '../../src/foundation/api-keys';
import * as body from '../../src/messages/http/schemas';
import { ContactBody } from '../../src/messages/outgoing/contact-schema';
import * as example from './http-examples';

/** The schemas that the document names. */
export const HTTP_SCHEMAS = {
  Contact: ContactBody,
  LookupKey: body.LookupKeyBody,
  LookupRequest: body.LookupRequest,
  LookupAnswer: body.LookupAnswer,
  History: body.HistoryBody,
  Change: body.ChangeBody,
  Changes: body.ChangesAnswer,
  Preferences: body.PreferencesBody,
  Events: body.IntakeRequest,
  EventsAnswer: body.IntakeAnswer,
  SecurityEventToken: z.string().describe('A JSON Web Token, signed with RS256 or ES256'),
  SecurityEventRefusal: body.SecurityEventRefusal,
  Error: body.ErrorBody,
  Heartbeat: body.HeartbeatBody,
  Version: body.VersionBody,
  Empty: z.object({}),
} satisfies Record<string, z.ZodType>;

export interface AnswerSpec {
  status: number;
  description: string;
  /** Null: text for Prometheus, or no body if the example is empty. */
  schema: keyof typeof HTTP_SCHEMAS | null;
  example: unknown;
  /** Headers that readers act on. */
  headers?: Readonly<Record<string, string>>;
}

export interface EndpointSpec {
  method: 'get' | 'post';
  /** With its parameters in braces. */
  path: string;
  operationId: string;
  summary: string;
  description?: string;
  /** What an API key must permit; null: no key is needed. */
  scope: Scope | null;
  /** The parameters in the path. */
  parameters: Readonly<Record<string, { description: string; example: string }>>;
  /** Those after the question mark; none is required. */
  query?: Readonly<Record<string, { description: string; schema: z.ZodType; example: string }>>;
  request?: {
    schema: keyof typeof HTTP_SCHEMAS;
    example: unknown;
    /** @default application/json */
    type?: string;
    /** The body as a script sends it, where it is not the example. */
    shell?: string;
  };
  answers: readonly AnswerSpec[];
}

export const ok = (schema: AnswerSpec['schema'], shown: unknown, description = 'Found'): AnswerSpec => ({
  status: 200,
  description,
  schema,
  example: shown,
});
export const refusal = (
  status: number,
  description: string,
  shown: unknown,
  headers?: AnswerSpec['headers'],
): AnswerSpec => ({
  status,
  description,
  schema: 'Error',
  example: shown,
  ...(headers && { headers }),
});

export const RETRY_AFTER = { 'Retry-After': 'In how many seconds to try again' };
export const NOT_FOUND = refusal(
  404,
  'No live contact has this key: it is unknown, malformed or retired',
  example.USER_NOT_FOUND,
);
export const BUSY = refusal(503, 'Too many requests at once, or the database is away', example.BUSY, RETRY_AFTER);
export const FAILED = refusal(500, 'A fault of the service; its log has the route and the code', example.FAILED);
export const KEYED = [
  refusal(401, 'The API key is missing or unknown', example.NOT_AUTHORISED),
  refusal(403, 'The API key lacks the scope', example.MISSING_SCOPE),
];
