import { asUid } from '../../contacts/facts/lookup-key';
import { type Dead, dead, isDead, isJsonObject, type JsonObject, readJsonObject } from './decoded';
import { isBlank } from './fields';

/** The prefix of Mozilla accounts for event types in a token. Types of other issuers are not understood. */
export const TYPE_PREFIX = 'https://schemas.accounts.firefox.com/event/';

/** An account event without its envelope: the fields under their flat names, not yet validated. */
export interface FlatMessage {
  /** The name in the producer's spelling; for a token, the type without the prefix. */
  event: string;
  fields: JsonObject;
  /** Candidates for the event's id, best first. */
  ids: unknown[];
  /** The envelope's own names of fields, where they differ from the flat names. */
  names?: Readonly<Record<string, string>>;
  /** Two fields that cannot both be true. */
  contradiction?: string;
}

/**
 * Takes an account event out of its envelope:
 *
 * 1. the flat message itself;
 * 2. a message from SNS to SQS without raw delivery: one of the other envelopes, as JSON text in `Message`;
 * 3. the envelope documented in 2026: the fields are in `data`, and win over fields beside it;
 * 4. a decoded Security Event Token (RFC 8417), as relying parties receive it.
 *
 * Only one wrapper is opened, not a further one inside it.
 */
export function unwrap(message: JsonObject): FlatMessage | Dead {
  if (message.event !== undefined || typeof message.Message !== 'string') return open(message, []);
  const inner = readJsonObject(message.Message, 'Message', 'must hold a JSON object');
  return isDead(inner) ? inner : open(inner.object, [message.MessageId]);
}

function open(message: JsonObject, ids: unknown[]): FlatMessage | Dead {
  const { event, data, events } = message;
  if (typeof event === 'string') {
    return { event, fields: isJsonObject(data) ? withData(message, data) : message, ids };
  }
  if (event !== undefined) return dead('invalid_shape', 'event: must be a string');
  if (isJsonObject(events)) return openToken(message, events, ids);
  return dead('invalid_shape', 'event: is missing');
}

const DATA_FIELDS = [
  'uid',
  'ts',
  'timestamp',
  'email',
  'locale',
  'countryCode',
  'service',
  'createDate',
  'newsletters',
] as const;

const withData = (outer: JsonObject, data: JsonObject): JsonObject =>
  Object.fromEntries(DATA_FIELDS.map((name) => [name, data[name] ?? outer[name]]));

const TOKEN_NAMES = { uid: 'sub', ts: 'iat' } as const;

/**
 * The first of these that a token has is used: a deletion is final; the second is the only other type that can prove an
 * address.
 */
const TOKEN_TYPES = [
  'delete-user',
  'profile-change',
  'password-change',
  'subscription-state-change',
  'metrics-opt-out',
  'metrics-opt-in',
];

function openToken(token: JsonObject, events: JsonObject, ids: unknown[]): FlatMessage | Dead {
  if (Object.keys(events).length === 0) return dead('invalid_shape', 'events: names no event type');
  const type = TOKEN_TYPES.find((name) => TYPE_PREFIX + name in events) ?? 'other';
  const sent = events[TYPE_PREFIX + type];
  const payload = isJsonObject(sent) ? sent : {};

  const flat: FlatMessage = {
    event: type,
    fields: { uid: token.sub, ts: token.iat, email: payload.email, locale: payload.locale },
    ids: [token.jti, ...ids],
    names: TOKEN_NAMES,
  };
  // Guessing the account could merge two strangers.
  if (!isBlank(payload.uid) && !isSameAccount(payload.uid, token.sub)) {
    flat.contradiction = 'uid: is not the sub of the token';
  }
  return flat;
}

/** Foreign values are compared only once they are known to be texts: any other could make the comparison throw. */
function isSameAccount(a: unknown, b: unknown): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  return (asUid(a) ?? a.toLowerCase()) === (asUid(b) ?? b.toLowerCase());
}
