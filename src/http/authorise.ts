import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKey, findKey, type Scope } from '../foundation/api-keys';
import { hostOf, isLoopback } from '../foundation/hosts';
import { foreignHost, missingScope, notAuthorised, notJson } from './answers';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the key with which the request came. */
    keyName: string;
    /** What the request may do: the scopes of its key, or those of this machine if no key is configured. */
    scopes: ReadonlySet<Scope>;
  }
}

/** The `onRequest` hook of a route: answers requests that may not use the route. */
export type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;
/** Makes a check that the request has a scope. */
export type RequireScope = (scope: Scope) => Check;

/** What clients on this machine may do if no key is configured. */
const WITHOUT_KEYS: ReadonlySet<Scope> = new Set(['read', 'write']);

/** @param keys the current keys; empty only if no other host can reach the server */
export function scopeChecks(keys: { readonly value: readonly ApiKey[] }): RequireScope {
  return (scope) => async (request, reply) => {
    if (keys.value.length === 0) {
      // A page of any site can send requests to this machine, and read the answers once the site's name resolves to it.
      if (!isLoopback(requestedHost(request))) return foreignHost(reply);
      if (!WITHOUT_KEYS.has(scope)) return notAuthorised(reply);
      request.scopes = WITHOUT_KEYS;
    } else {
      const key = keyOf(request, keys.value);
      if (!key) return notAuthorised(reply);
      request.keyName = key.name;
      request.scopes = key.scopes;
      if (!key.scopes.has(scope)) return missingScope(reply, scope);
    }
    // A page of another site can send other types without asking the server first.
    return request.method === 'POST' && !hasJson(request) ? notJson(reply) : undefined;
  };
}

function keyOf({ headers }: FastifyRequest, keys: readonly ApiKey[]): ApiKey | undefined {
  const sent = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  return sent === undefined ? undefined : findKey(sent, keys);
}

/** The host of the `Host` header without its port; empty if there is none. */
export function requestedHost({ headers: { host = '' } }: FastifyRequest): string {
  const url = `http://${host}`;
  return URL.canParse(url) ? hostOf(new URL(url)) : '';
}

const hasJson = ({ headers }: FastifyRequest): boolean =>
  /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
