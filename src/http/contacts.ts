import type { FastifyInstance, FastifyReply } from 'fastify';
import { accountKey, emailKey, idKey, type LookupKey, tokenKey } from '../contacts/facts/lookup-key';
import { contactBody } from '../messages/outgoing/contact-body';
import { historyBody } from '../messages/outgoing/merge-body';
import type { Database } from '../postgres/database';
import { findContact } from '../postgres/find-contact';
import { findHistory } from '../postgres/tables/merge';
import { BUSY, JSON_TYPE, NOT_AUTHORISED, RETRY_AFTER_SECONDS, USER_NOT_FOUND } from './answers';

export interface ContactRoutesOptions {
  db: Database;
  /** Whether an `Authorization` header lets its sender read. */
  mayRead(authorization: string | undefined): boolean;
  /** Look-ups at once; more are sent away before they cost anything. */
  maxLookUps: number;
}

const LOOK_UPS: readonly [path: string, keyOf: (text: string) => LookupKey | undefined][] = [
  ['/by-token/:key', tokenKey],
  ['/by-email/:key', emailKey],
  ['/by-account/:key', accountKey],
  ['/:key', idKey],
];

/**
 * The look-ups, for `/contacts`: read-only, for bearers of the API key. A key that cannot be one is as unknown as any
 * other: 404, never 400.
 */
export async function contactRoutes(app: FastifyInstance, options: ContactRoutesOptions): Promise<void> {
  const { db, mayRead, maxLookUps } = options;
  let running = 0;
  app.addHook('onRequest', async (request, reply) => {
    noStore(reply);
    return mayRead(request.headers.authorization) ? undefined : refuse(reply);
  });
  app.setNotFoundHandler((_request, reply) => unknown(reply));

  /** One that waits for its turn holds memory, and its client's patience: better told at once that there is no room. */
  const look = async <T>(reply: FastifyReply, find: () => Promise<T>): Promise<T | FastifyReply> => {
    if (running >= maxLookUps) return busy(reply);
    running += 1;
    try {
      return await find();
    } finally {
      running -= 1;
    }
  };

  for (const [path, keyOf] of LOOK_UPS) {
    app.get<{ Params: { key: string } }>(path, async (request, reply) => {
      const key = keyOf(request.params.key);
      if (!key) return unknown(reply);
      return look(reply, async () => {
        const found = await findContact(db, key);
        return found ? contactBody(found) : unknown(reply);
      });
    });
  }

  app.get<{ Params: { key: string } }>('/:key/history', async (request, reply) => {
    const key = idKey(request.params.key);
    if (!key) return unknown(reply);
    return look(reply, async () => {
      const merges = await findHistory(db, key.id);
      return merges ? historyBody(key.id, merges) : unknown(reply);
    });
  });
}

/** A retired token must answer 404 from the commit on, so no cache may answer for us. */
const noStore = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'no-store');

const send = (reply: FastifyReply, code: number, body: string): FastifyReply =>
  noStore(reply).code(code).type(JSON_TYPE).send(body);

/** No live contact has this key. */
export const unknown = (reply: FastifyReply): FastifyReply => send(reply, 404, USER_NOT_FOUND);

/** Who asks may not read. */
export const refuse = (reply: FastifyReply): FastifyReply =>
  send(reply.header('www-authenticate', 'Bearer realm="onecontact"'), 401, NOT_AUTHORISED);

/** Not now. */
export const busy = (reply: FastifyReply): FastifyReply =>
  send(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, BUSY);
