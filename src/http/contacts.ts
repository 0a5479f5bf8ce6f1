import type { FastifyInstance, FastifyReply } from 'fastify';
import { accountKey, asUuid, emailKey, idKey, type LookupKey, tokenKey } from '../contacts/facts/lookup-key';
import { historyBody } from '../messages/http/history-body';
import { contactBody } from '../messages/outgoing/contact-body';
import type { Database } from '../postgres/database';
import { findContact, findContacts } from '../postgres/look-ups/find-contact';
import { findHistory, type HistoryPage } from '../postgres/tables/merge';
import { badRequest, busy, malformed, noStore, tooLarge, userNotFound } from './answers';
import type { RequireScope } from './authorise';
import { MOST_BYTES, readLookup } from './read-lookup';

export interface ContactRoutesOptions {
  db: Database;
  requireScope: RequireScope;
  /** Concurrent look-ups; further ones are answered 503 at once. */
  maxLookUps: number;
  /** Histories have connections and a limit of their own, so that they cannot hold up look-ups, however many there are. */
  histories: { db: Database; max: number };
  /** Concurrent look-ups of many contacts, on the connections of histories. */
  maxListLookUps: number;
}

interface KeyParam {
  Params: { key: string };
}

interface HistoryRequest extends KeyParam {
  Querystring: { limit?: unknown; after?: unknown };
}

/** Merges in a page of a history. */
export const DEFAULT_PAGE = 100;
export const MAX_PAGE = 500;

const LOOK_UPS: readonly [path: string, keyOf: (text: string) => LookupKey | undefined][] = [
  ['/by-token/:key', tokenKey],
  ['/by-email/:key', emailKey],
  ['/by-account/:key', accountKey],
  ['/:key', idKey],
];

/** Look-ups below `/contacts`. A malformed key in a path is answered like an unknown one: 404, never 400. */
export async function contactRoutes(app: FastifyInstance, options: ContactRoutesOptions): Promise<void> {
  const { db, requireScope, maxLookUps, maxListLookUps, histories } = options;
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

  const lookUpList = atMost(maxListLookUps);
  app.post('/lookup', { onRequest: mayRead, bodyLimit: MOST_BYTES }, async (request, reply) => {
    const read = readLookup(request.body);
    if ('problems' in read) return malformed(reply, read.problems);
    if ('tooMany' in read) return tooLarge(reply, read.tooMany);
    return lookUpList(reply, async () => {
      const contacts = await findContacts(histories.db, read.keys);
      return { contacts: contacts.map((contact) => contact && contactBody(contact)) };
    });
  });

  const lookUpHistory = atMost(histories.max);
  app.get<HistoryRequest>('/:key/history', { onRequest: mayRead }, async (request, reply) => {
    const key = idKey(request.params.key);
    if (!key) return userNotFound(reply);
    const page = pageOf(request.query);
    if (typeof page === 'string') return badRequest(reply, page);
    return lookUpHistory(reply, async () => {
      const history = await findHistory(histories.db, key.id, page);
      return history && historyBody(key.id, history.merges, history.next);
    });
  });
}

/** @returns what is wrong, for the client */
function pageOf({ limit = String(DEFAULT_PAGE), after }: HistoryRequest['Querystring']): HistoryPage | string {
  const wanted = typeof limit === 'string' && /^\d{1,9}$/.test(limit) ? Number(limit) : 0;
  if (wanted < 1 || wanted > MAX_PAGE) return `limit must be a whole number from 1 to ${MAX_PAGE}`;
  if (after === undefined) return { limit: wanted };
  const id = typeof after === 'string' ? asUuid(after) : undefined;
  return id === undefined ? 'after must be the "next" of the page before' : { limit: wanted, after: id };
}

/**
 * Answers with the result of `find`, or 404 for null. Excess requests are rejected, because queued ones would hold
 * memory.
 */
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
