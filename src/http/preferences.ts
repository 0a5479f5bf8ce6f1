import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import { tokenKey } from '../contacts/facts/lookup-key';
import { preferencesBody } from '../messages/http/preferences-body';
import type { Database } from '../postgres/database';
import { findContact } from '../postgres/look-ups/find-contact';
import { noStore, userNotFound } from './answers';
import { atMost } from './contacts';

export interface PreferencesOptions {
  db: Database;
  /** Concurrent answers; further requests are answered 503 at once. */
  max: number;
  /** Requests per minute of one client address; null if only a proxy in front knows the addresses. */
  perMinute: number | null;
}

/**
 * How many client addresses (IPv6: networks of 64 bits) are remembered. Further ones replace the oldest, which bounds
 * the memory.
 */
const REMEMBERED = 10_000;

/**
 * `GET /preferences/{token}` for preference pages. It needs a live token and no API key. Every other text is answered like an
 * unknown token.
 */
export async function preferencesRoutes(
  app: FastifyInstance,
  { db, max, perMinute }: PreferencesOptions,
): Promise<void> {
  app.addHook('onRequest', async (_request, reply) => {
    // The path contains the token: a page must not send it on to the sites that it links to.
    noStore(reply).header('referrer-policy', 'no-referrer');
  });
  app.setNotFoundHandler((_request, reply) => userNotFound(reply));
  if (perMinute !== null) {
    await app.register(rateLimit, {
      max: perMinute,
      timeWindow: '1 minute',
      cache: REMEMBERED,
    });
  }
  const lookUp = atMost(max);
  app.get<{ Params: { token: string } }>('/:token', async (request, reply) => {
    const key = tokenKey(request.params.token);
    if (!key) return userNotFound(reply);
    return lookUp(reply, async () => {
      const contact = await findContact(db, key);
      return contact && preferencesBody(contact);
    });
  });
}
