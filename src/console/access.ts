/** Who uses the console: the name of an API key, or the person whom a proxy names. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type ApiKey, findKey } from '../foundation/api-keys';
import { isLoopback } from '../foundation/hosts';
import { parseJson } from '../foundation/json';
import { requestedHost } from '../http/authorise';

export interface Access {
  /** Those of the moment. */
  keys: { readonly value: readonly ApiKey[] };
  /** The header in which a proxy names the person; null without one. */
  trustHeader: string | null;
  /** Where browsers find the console; null at the address that it listens at. */
  origin: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is signed in: the author of every change. */
    operator: string | null;
    /** Whether they signed in with a key here. */
    hasSession: boolean;
  }
}

const COOKIE = 'onecontact_session';
/** A working day: after it, the key has to be entered again. */
const SESSION_MS = 12 * 3_600_000;

/** What a session cookie has, signed. */
const Session = z.object({
  key: z.string(),
  /** The beginning of the key's digest: a key that is replaced ends its sessions. */
  mark: z.string(),
  until: z.number(),
});
type Session = z.output<typeof Session>;

const markOf = ({ digest }: ApiKey): string => digest.toString('base64url').slice(0, 16);

const mayOperate = ({ scopes }: ApiKey): boolean => scopes.has('operate');

/** The key that was sent, if it may use the console. */
export function keyThatSignsIn(sent: string, { keys }: Access): ApiKey | 'unknown' | 'lacks_scope' {
  const key = findKey(sent.trim(), keys.value);
  if (!key) return 'unknown';
  return mayOperate(key) ? key : 'lacks_scope';
}

export function beginSession(reply: FastifyReply, key: ApiKey, now = Date.now()): void {
  const session: Session = { key: key.name, mark: markOf(key), until: now + SESSION_MS };
  void reply.setCookie(COOKIE, JSON.stringify(session), { maxAge: SESSION_MS / 1_000 });
}

export const endSession = (reply: FastifyReply): void => void reply.clearCookie(COOKIE);

/** Sets who is signed in. */
export function recognise(request: FastifyRequest, { keys, trustHeader }: Access, now = Date.now()): void {
  const named = trustHeader === null ? undefined : request.headers[trustHeader.toLowerCase()];
  if (typeof named === 'string' && isName(named)) {
    request.operator = named.trim();
    return;
  }
  const session = sessionOf(request);
  if (!session || session.until <= now) return;
  const key = keys.value.find(({ name }) => name === session.key);
  if (!key || !mayOperate(key) || markOf(key) !== session.mark) return;
  request.operator = key.name;
  request.hasSession = true;
}

const isName = (text: string): boolean => /^\P{Cc}{1,100}$/u.test(text) && text.trim() !== '';

function sessionOf(request: FastifyRequest): Session | null {
  const { value } = request.unsignCookie(request.cookies[COOKIE] ?? '');
  // The other cookies are signed, too, and may be sent under this name: their values are not sessions.
  return Session.safeParse(parseJson(value ?? '')).data ?? null;
}

/**
 * Whether a request is for this console. A page of another site could otherwise let its own name lead here, and use the
 * console as if it were that page.
 */
export function isForConsole(request: FastifyRequest, { origin }: Access): boolean {
  const { host = '' } = request.headers;
  if (origin !== null && host === new URL(origin).host) return true;
  const name = requestedHost(request);
  if (name === '') return false;
  const { address } = request.socket.address() as { address?: string };
  return isLoopback(name) || (origin === null && name === address?.replace(/^::ffff:/, ''));
}
