import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from '../foundation/cursor';
import { changeBody } from '../messages/http/change-body';
import type { ChangesAnswer } from '../messages/http/schemas';
import type { Database } from '../postgres/database';
import { readChanges } from '../postgres/feed/changes';
import { badRequest, gone, noStore, notRenewed } from './answers';
import type { RequireScope } from './authorise';
import { atMost } from './contacts';

export interface ChangesRouteOptions {
  /**
   * Connections of its own: a page has many contacts, and the feed must not hold up look-ups, however many readers it
   * has.
   */
  db: Database;
  requireScope: RequireScope;
  /** Concurrent pages; further ones are answered 503 at once. */
  maxPages: number;
}

/** The highest number of changes in a page. */
export const MAX_CHANGES = 500;
const LIMIT_PROBLEM = `limit must be a whole number from 1 to ${MAX_CHANGES}`;

/** The parameters of `GET /changes`. The text of a problem never repeats a parameter. */
export const ChangesQuery = z.strictObject(
  {
    after: z
      .string('after must be given once')
      .transform((text, context) => {
        const position = decodeCursor(text);
        if (position === undefined) context.addIssue('after must be a cursor: the value of next in an earlier answer');
        return position ?? z.NEVER;
      })
      .optional(),
    limit: z
      .string(LIMIT_PROBLEM)
      .regex(/^\d{1,9}$/, LIMIT_PROBLEM)
      .transform(Number)
      .refine((limit) => limit >= 1 && limit <= MAX_CHANGES, LIMIT_PROBLEM)
      .default(MAX_CHANGES),
  },
  {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? 'the parameters are after and limit, and no others' : undefined,
  },
);

/** The change feed: `GET /changes`. */
export async function changesRoute(app: FastifyInstance, { db, requireScope, maxPages }: ChangesRouteOptions) {
  const read = atMost(maxPages);
  app.get('/changes', { onRequest: requireScope('read') }, async (request, reply) => {
    const query = ChangesQuery.safeParse({ ...(request.query as object) });
    if (!query.success) return badRequest(reply, query.error.issues[0]?.message as string);
    const { after = null, limit } = query.data;
    return read(noStore(reply), async () => {
      const found = await readChanges(db, after, limit);
      if (found === 'gone') return gone(reply);
      if (found === 'not_renewed') return notRenewed(reply);
      const { changes, next, hasMore } = found;
      return {
        changes: changes.map(changeBody),
        next: encodeCursor(next),
        has_more: hasMore,
      } satisfies ChangesAnswer;
    });
  });
}
