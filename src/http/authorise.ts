import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKey, digestOf, type Scope } from '../foundation/api-keys';
import { isLoopback } from '../foundation/loopback';
import { foreignHost, missingScope, notAuthorised, notJson } from './answers';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the key with which the request came. */
    keyName: string;
    /** What it may do: that of its key, or of this machine as long as no key is configured. */
    scopes: ReadonlySet<Scope>;
  }
}

/** The `onRequest` hook of a route: answers requests that may not use it. */
export type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;
/** Makes the check that a request has a scope. */
export type RequireScope = (scope: Scope) => Check;

/** What this machine may do as long as no key is configured. */
const WITHOUT_KEYS: ReadonlySet<Scope> = new Set(['read', 'write']);

/** @param keys those of the moment; empty only where no other host can reach the server */
export function scopeChecks(keys: { readonly value: readonly ApiKey[] }): RequireScope {
  return (scope) => async (request, reply) => {
    if (keys.value.length === 0) {
      // A page of any site can send requests to this machine, and read the answers once its name leads here.
      if (!isLoopback(hostOf(request))) return foreignHost(reply);
      if (!WITHOUT_KEYS.has(scope)) return notAuthorised(reply);
      request.scopes = WITHOUT_KEYS;
    } else {
      const key = keyOf(request, keys.value);
      if (!key) return notAuthorised(reply);
      request.keyName = key.name;
      request.scopes = key.scopes;
      if (!key.scopes.has(scope)) return missingScope(reply, scope);
    }
    // The types that a page of another site can send without asking the server first.
    return request.method === 'POST' && !hasJson(request) ? notJson(reply) : undefined;
  };
}

/** Takes the same time for every wrong key. */
function keyOf({ headers }: FastifyRequest, keys: readonly ApiKey[]): ApiKey | undefined {
  const sent = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (sent === undefined) return undefined;
  const digest = digestOf(sent);
  return keys.filter((key) => timingSafeEqual(key.digest, digest))[0];
}

/** The host of the `Host` header without its port; empty if there is none. */
function hostOf({ headers: { host = '' } }: FastifyRequest): string {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : '';
}

const hasJson = ({ headers }: FastifyRequest): boolean =>
  /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
