import type { FastifyInstance, FastifyReply } from 'fastify';
import { accountKey, emailKey, idKey, type LookupKey, tokenKey } from '../contacts/facts/lookup-key';
import { contactBody } from '../messages/outgoing/contact-body';
import { historyBody } from '../messages/outgoing/merge-body';
import type { Database } from '../postgres/database';
import { findContact } from '../postgres/find-contact';
import { findHistory } from '../postgres/tables/merge';
import { busy, noStore, userNotFound } from './answers';
import type { RequireScope } from './authorise';

export interface ContactRoutesOptions {
  db: Database;
  requireScope: RequireScope;
  /** Concurrent look-ups; further ones are answered 503 at once. */
  maxLookUps: number;
  /** Histories have connections and a limit of their own, so that no number of them can hold up look-ups. */
  histories: { db: Database; max: number };
}

interface KeyParam {
  Params: { key: string };
}

const LOOK_UPS: readonly [path: string, keyOf: (text: string) => LookupKey | undefined][] = [
  ['/by-token/:key', tokenKey],
  ['/by-email/:key', emailKey],
  ['/by-account/:key', accountKey],
  ['/:key', idKey],
];

/** Look-ups below `/contacts`. A malformed key is answered like an unknown one: 404, never 400. */
export async function contactRoutes(app: FastifyInstance, options: ContactRoutesOptions): Promise<void> {
  const { db, requireScope, maxLookUps, histories } = options;
  const mayRead = requireScope('read');
  app.addHook('onRequest', async (_request, reply) => void noStore(reply));
  app.setNotFoundHandler({ preHandler: mayRead }, (_request, reply) => userNotFound(reply));

  const lookUp = atMost(maxLookUps);
  for (const [path, keyOf] of LOOK_UPS) {
    app.get<KeyParam>(path, { onRequest: mayRead }, async (request, reply) => {
      const key = keyOf(request.params.key);
      if (!key) return userNotFound(reply);
      return lookUp(reply, async () => {
        const contact = await findContact(db, key);
        return contact && contactBody(contact);
      });
    });
  }

  const lookUpHistory = atMost(histories.max);
  app.get<KeyParam>('/:key/history', { onRequest: mayRead }, async (request, reply) => {
    const key = idKey(request.params.key);
    if (!key) return userNotFound(reply);
    return lookUpHistory(reply, async () => {
      const merges = await findHistory(histories.db, key.id);
      return merges && historyBody(key.id, merges);
    });
  });
}

/** Answers what `find` returns, or 404 for null. Queued requests would hold memory, so excess ones are rejected. */
export function atMost(max: number): (reply: FastifyReply, find: () => Promise<object | null>) => Promise<object> {
  let running = 0;
  return async (reply, find) => {
    if (running >= max) return busy(reply);
    running += 1;
    try {
      return (await find()) ?? userNotFound(reply);
    } finally {
      running -= 1;
    }
  };
}
