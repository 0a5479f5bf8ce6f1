import { z } from 'zod';
import { type Invalid, invalid } from './decoded';
import { isJsonObject, type JsonObject, parseJson } from './json';

/** Envelope 2, SNS to SQS without raw delivery: any of the other envelopes as a JSON text. */
export const WrappedMessage = z.object({
  MessageId: z.string().optional().describe('Names the event when no `jti` does'),
  Message: z.string().describe('The message, as a JSON text'),
});

/** Envelope 3, as documented in 2026. The fields of `data` go before those beside it. */
export const DataMessage = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).describe('The flat fields'),
});

/** Envelope 4, a decoded Security Event Token (RFC 8417), as relying parties get it. */
export const SecurityEventToken = z.object({
  sub: z.string().describe('The uid'),
  iat: z
    .number()
    .describe('Float seconds; the time of delivery, taken as the event time because nothing better is there'),
  jti: z.string().optional().describe('Names the event'),
  events: z
    .record(z.string(), z.unknown())
    .describe('Type URI to payload. Of several types in one token one counts: deletion, else a change of profile'),
});

/** What FxA prefixes its event types with in a token. Another issuer's types mean nothing to us. */
export const TYPE_PREFIX = 'https://schemas.accounts.firefox.com/event/';

/** An account event without its envelope: the fields under their flat names, not yet validated. */
export interface FlatMessage {
  /** Its name as the producer spells it; a token's type without the prefix. */
  event: string;
  fields: JsonObject;
  /** Candidates for the event's id, best first. */
  ids: unknown[];
  /** What the envelope calls a field, where it is not the flat name. */
  names?: Readonly<Record<string, string>>;
  /** Two fields that cannot both be true. */
  contradiction?: string;
}

/** Takes an account event out of whichever of the four envelopes it is in (event-shapes, "Envelopes"). */
export function unwrap(message: JsonObject): FlatMessage | Invalid {
  if (message.event === undefined && typeof message.Message === 'string') return unwrapText(message, message.Message);
  return open(message, []);
}

/** One wrapper is opened and no more: what is inside must be one of the other three. */
function unwrapText(wrapper: JsonObject, text: string): FlatMessage | Invalid {
  const inner = parseJson(text);
  if (inner === undefined) return invalid('not_json', 'Message: is not JSON');
  if (!isJsonObject(inner)) return invalid('invalid_shape', 'Message: must hold a JSON object');
  return open(inner, [wrapper.MessageId]);
}

function open(message: JsonObject, ids: unknown[]): FlatMessage | Invalid {
  const { event, data, events } = message;
  if (typeof event === 'string') {
    return { event, fields: isJsonObject(data) ? merge(message, data) : message, ids };
  }
  if (event !== undefined) return invalid('invalid_shape', 'event: must be a string');
  if (isJsonObject(events)) return openToken(message, events, ids);
  return invalid('invalid_shape', 'event: is missing');
}

const DATA_FIELDS = ['uid', 'ts', 'timestamp', 'email', 'locale', 'countryCode', 'service', 'newsletters'] as const;

function merge(outer: JsonObject, data: JsonObject): JsonObject {
  const fields: Record<string, unknown> = {};
  for (const name of DATA_FIELDS) fields[name] = data[name] ?? outer[name];
  return fields;
}

const TOKEN_NAMES = { uid: 'sub', ts: 'iat' } as const;

/** The account's end is final, so it wins; after it the one type that can prove an address; the others only count. */
const TOKEN_TYPES = [
  'delete-user',
  'profile-change',
  'password-change',
  'subscription-state-change',
  'metrics-opt-out',
  'metrics-opt-in',
];

function openToken(token: JsonObject, events: JsonObject, ids: unknown[]): FlatMessage | Invalid {
  if (Object.keys(events).length === 0) return invalid('invalid_shape', 'events: names no event type');
  const type = TOKEN_TYPES.find((name) => TYPE_PREFIX + name in events) ?? 'other';
  const sent = events[TYPE_PREFIX + type];
  const payload = isJsonObject(sent) ? sent : {};

  const flat: FlatMessage = {
    event: type,
    fields: { uid: token.sub, ts: token.iat, email: payload.email, locale: payload.locale },
    ids: [token.jti, ...ids],
    names: TOKEN_NAMES,
  };
  // Who is meant cannot be told then, and a claim for the wrong account would merge strangers.
  if (payload.uid != null && String(payload.uid).toLowerCase() !== String(token.sub).toLowerCase()) {
    flat.contradiction = 'uid: is not the sub of the token';
  }
  return flat;
}
