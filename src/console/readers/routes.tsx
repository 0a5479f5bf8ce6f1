/** Find a reader, and their page. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { idKey } from '../../contacts/facts/lookup-key';
import { findEnded, findFirst, keysIn } from '../../operations/show/run';
import type { ConsoleContext } from '../frame/context';
import { noticeOf, readForm } from '../frame/forms';
import { PRIVACY_NOTICES } from '../privacy/notices';
import { EndedPage } from './ended';
import { EndedKey, FindForm, Unknown } from './find';
import { loadRecord } from './load';
import { ReaderPage } from './reader';

const FindKey = z.object({ key: z.string('Enter something to look for.') });

export async function readerRoutes(app: FastifyInstance, { db, erasureKey }: ConsoleContext): Promise<void> {
  app.get('/', (_request, reply) => reply.page({ title: 'Find a reader', children: <FindForm /> }));

  // Addresses and tokens are never part of an address of the console, which browsers and proxies remember.
  app.post('/find', async (request, reply) => {
    const keys = keysIn(readForm(FindKey, request).key);
    const found = await findFirst(db, keys);
    if (found) return reply.redirect(`/contacts/${found.id}`, 303);
    const ended = await findEnded(db, keys, erasureKey);
    if (ended?.what === 'contact') return reply.redirect(`/contacts/${ended.contact.id}`, 303);
    if (ended) return reply.page({ title: TITLES[ended.what], children: <EndedKey ended={ended} /> });
    const children = <Unknown keys={keys} knowsErased={erasureKey !== null} />;
    return reply.page({ status: 404, title: 'Reader not found', children });
  });

  app.get<{ Params: { id: string } }>('/contacts/:id', async (request, reply) => {
    const key = idKey(request.params.id);
    const record = key && (await loadRecord(db, key.id, erasureKey));
    if (!record) return reply.callNotFound();
    const notice = noticeOf(request, PRIVACY_NOTICES);
    return record.kind === 'live'
      ? reply.page({ title: 'Reader', notice, children: <ReaderPage {...record} /> })
      : reply.page({ title: 'Former reader', notice, children: <EndedPage {...record} /> });
  });
}

const TITLES = { token: 'Retired token', account: 'Deleted account', erased: 'Erased reader' };
