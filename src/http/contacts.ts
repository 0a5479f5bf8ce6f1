import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Database } from '../store/database';
import { findContact, type Key } from '../store/find-contact';
import { findHistory } from '../store/find-history';
import { JSON_TYPE, NOT_AUTHORISED, USER_NOT_FOUND } from './answers';
import { bearerCheck } from './authorise';
import { contactBody, historyBody } from './contact-body';
import { accountKey, emailKey, idKey, tokenKey } from './keys';

export interface ContactRoutesOptions {
  db: Database;
  /** Null: everybody may read. Only for a server that nobody else can reach. */
  apiKey: string | null;
}

const LOOK_UPS: readonly [path: string, keyOf: (text: string) => Key | undefined][] = [
  ['/by-token/:key', tokenKey],
  ['/by-email/:key', emailKey],
  ['/by-account/:key', accountKey],
  ['/:key', idKey],
];

/**
 * The look-ups, for `/contacts`: read-only, for bearers of the API key. A key that cannot be one is as unknown as any
 * other: 404, never 400.
 */
export async function contactRoutes(app: FastifyInstance, { db, apiKey }: ContactRoutesOptions): Promise<void> {
  const isBearer = apiKey === null ? () => true : bearerCheck(apiKey);
  app.addHook('onRequest', async (request, reply) => {
    // A retired token must answer 404 from the commit on, so no cache may answer for us.
    reply.header('cache-control', 'no-store');
    if (isBearer(request.headers.authorization)) return undefined;
    return reply.code(401).header('www-authenticate', 'Bearer realm="onecontact"').type(JSON_TYPE).send(NOT_AUTHORISED);
  });
  const unknown = (reply: FastifyReply) => reply.code(404).type(JSON_TYPE).send(USER_NOT_FOUND);
  app.setNotFoundHandler((_request, reply) => unknown(reply));

  for (const [path, keyOf] of LOOK_UPS) {
    app.get<{ Params: { key: string } }>(path, async (request, reply) => {
      const key = keyOf(request.params.key);
      const found = key && (await findContact(db, key));
      return found ? contactBody(found) : unknown(reply);
    });
  }

  app.get<{ Params: { key: string } }>('/:key/history', async (request, reply) => {
    const key = idKey(request.params.key);
    const merges = key && (await findHistory(db, key.id));
    return merges ? historyBody(key.id, merges) : unknown(reply);
  });
}
