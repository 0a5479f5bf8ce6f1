/** Find a reader, and their page. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { idKey } from '../../contacts/facts/lookup-key';
import { findFirst, keysOf } from '../../operations/show/run';
import { findContact } from '../../postgres/find-contact';
import type { ConsoleContext } from '../frame/context';
import { readForm } from '../frame/forms';
import { Form } from '../frame/page';

const FindForm = z.object({ key: z.string('Enter something to look for.') });

export async function readerRoutes(app: FastifyInstance, { db }: ConsoleContext): Promise<void> {
  app.get('/', (_request, reply) => reply.page({ title: 'Find a reader', children: <Find /> }));

  // Addresses and tokens are never part of an address of the console, which browsers and proxies remember.
  app.post('/find', async (request, reply) => {
    const { key } = readForm(FindForm, request);
    const keys = keysOf(key);
    const found = await findFirst(db, keys);
    if (found) return reply.redirect(`/contacts/${found.id}`, 303);
    const problem = keys.length === 0 ? NO_KEY : 'No contact has it.';
    return reply.page({ status: 404, title: 'Find a reader', children: <Find problem={problem} /> });
  });

  app.get<{ Params: { id: string } }>('/contacts/:id', async (request, reply) => {
    const key = idKey(request.params.id);
    const contact = key && (await findContact(db, key));
    if (!contact) return reply.callNotFound();
    return reply.page({ title: 'Reader', children: <p>{contact.id}</p> });
  });
}

const NO_KEY = 'This is no email address, token, account or contact id.';

const Find = ({ problem }: { problem?: string }) => (
  <>
    {problem !== undefined && (
      <p role="alert" class="problem">
        {problem}
      </p>
    )}
    <Form action="/find">
      <label>
        Email address, token, account or contact id
        <input name="key" required autocomplete="off" />
      </label>
      <button type="submit">Find</button>
    </Form>
  </>
);
