/** An account provider on this machine: keys of its own, a server with the public ones, and signed tokens. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export const ISSUER = 'https://accounts.test';
export const AUDIENCE = '5882386c6d801776';
/** The account that a token is about. */
export const UID = '7531'.padEnd(32, '0');
export const TYPE = 'https://schemas.accounts.firefox.com/event/';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface Issuer {
  url: string;
  /** How often the keys were asked for. */
  asked(): number;
  /** Makes a key and publishes it, unless it is secret to the server. */
  addKey(kid: string, options?: { alg?: 'RS256' | 'ES256'; published?: boolean }): Promise<void>;
  /** Publishes these keys, and no others. */
  publish(...kids: string[]): void;
  /** Answers otherwise from now on; without an argument as before. */
  answers(answer?: Answer): void;
  /** A token of this issuer for this recipient, unless it says something else. */
  sign(claims?: JWTPayload, header?: { kid?: string; alg?: string; typ?: string }): Promise<string>;
  close(): Promise<void>;
}

/** What a token says if a test does not care. */
export const claimsOf = (events: object = { [`${TYPE}profile-change`]: { email: 'ada@mail.test' } }): JWTPayload => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: UID,
  iat: Date.now() / 1_000,
  jti: `jti-${Math.random()}`,
  events: events as Record<string, unknown>,
});

export async function startIssuer(): Promise<Issuer> {
  const keys = new Map<string, { alg: string; secret: CryptoKey; jwk: JWK }>();
  let published: string[] = [];
  let asked = 0;
  const keySet: Answer = (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: published.map((kid) => keys.get(kid)?.jwk) }));
  };
  let answer = keySet;
  const server = createServer((request, response) => {
    asked += 1;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    asked: () => asked,
    addKey: async (kid, { alg = 'RS256', published: isPublished = true } = {}) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      keys.set(kid, { alg, secret: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } });
      if (isPublished) published.push(kid);
    },
    publish: (...kids) => {
      published = kids;
    },
    answers: (other = keySet) => {
      answer = other;
    },
    sign: async (claims = claimsOf(), { kid = 'k1', ...header } = {}) => {
      const { alg, secret } = keys.get(kid) as { alg: string; secret: CryptoKey };
      return new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(secret);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
