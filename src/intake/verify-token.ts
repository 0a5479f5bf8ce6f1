import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { SecurityEventRefusal } from '../messages/http/schemas';
import { isJsonObject, type JsonObject } from '../messages/incoming/decoded';
import { type IssuerKeys, KeysAway } from './issuer-keys';

/** Whose tokens are accepted, and for which recipient they must be. */
export interface Expected {
  issuer: string;
  audience: string;
}

/** The claims of a valid token; or why it is refused, in the terms of RFC 8935; or when to send it again. */
export type Verified =
  | { claims: JWTPayload & { events: JsonObject } }
  | SecurityEventRefusal
  | { retryAfterSeconds: number };

const ALGORITHMS = ['RS256', 'ES256'];
/** Seconds that the issuer's clock may differ from ours. */
const CLOCK_TOLERANCE = 60;
/** The media types that a token may name, without "application/". Access tokens of the same issuer name another. */
const TYPES = ['secevent+jwt', 'jwt'];

/** Verifies a Security Event Token (RFC 8417). It is read as an event only afterwards. */
export async function verifyToken(
  token: string,
  { issuer, audience }: Expected,
  keys: Pick<IssuerKeys, 'find'>,
  now = new Date(),
): Promise<Verified> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, (header, input) => keys.find(header, input), {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ['iat', 'jti'],
      currentDate: now,
    });
    const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt';
    if (!TYPES.includes(type)) return refused('invalid_request', 'typ: must be secevent+jwt');
    const { events, jti } = payload;
    if (typeof jti !== 'string' || jti === '') return refused('invalid_request', 'jti: must be a text');
    // An ID token of the same issuer has the same signature, and no events.
    if (!isJsonObject(events)) return refused('invalid_request', 'events: must be an object');
    return { claims: { ...payload, events } };
  } catch (error) {
    return error instanceof KeysAway ? { retryAfterSeconds: error.retryAfterSeconds } : refusalOf(error);
  }
}

export const refused = (err: SecurityEventRefusal['err'], description: string): SecurityEventRefusal => ({
  err,
  description,
});

function refusalOf(error: unknown): SecurityEventRefusal {
  if (error instanceof errors.JWTExpired) return refused('invalid_request', 'exp: the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) return ofClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refused('authentication_failed', 'the signature is not that of the key');
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return refused('invalid_request', 'the token is not a signed JSON Web Token');
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return refused('invalid_key', `alg: must be one of ${ALGORITHMS.join(', ')}`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return refused('invalid_key', 'kid: the issuer has no such key');
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused('invalid_key', 'kid: must name one of the keys of the issuer');
  }
  return refused('invalid_key', 'the key cannot be used');
}

function ofClaim({ claim, reason }: errors.JWTClaimValidationFailed): SecurityEventRefusal {
  if (claim === 'iss') return refused('invalid_issuer', 'iss: is not the issuer whose tokens are accepted here');
  if (claim === 'aud') return refused('invalid_audience', 'aud: does not name this recipient');
  return refused('invalid_request', `${claim}: ${reason === 'missing' ? 'is missing' : 'is not valid'}`);
}
