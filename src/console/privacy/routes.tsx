/** What a reader may ask for: to get no more mail, to be forgotten, and a proof of their consent. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { idKey } from '../../contacts/facts/lookup-key';
import { OperatorError } from '../../foundation/operator-error';
import { consentBody } from '../../operations/consent/body';
import { eraseWithDeadLetters } from '../../operations/erase/dead-letters';
import { type Erased, type EraseOptions, erasePerson } from '../../operations/erase/run';
import { DELETED } from '../../operations/erase/text';
import { addresseeOf, optOut } from '../../operations/opt-out/run';
import { findReader, type Reader } from '../../postgres/look-ups/find-contact';
import type { ConsoleContext } from '../frame/context';
import { authorOf, Reason, readForm } from '../frame/forms';
import { ConsentPage } from './consent';
import { COMPARED, ErasedPage, ErasePage, NoKeyPage } from './erase';
import { OptOutPage } from './opt-out';

interface OfContact {
  Params: { id: string };
}

const OptOutForm = z.object({ address: z.string('Choose an address.'), reason: Reason });

const Count = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number);

const EraseForm = z.object({
  typed: z.string('Type an email address of this reader.'),
  reason: Reason,
  dead_letters: z.literal('yes').optional(),
  ...(Object.fromEntries(COMPARED.map((name) => [name, Count])) as Record<(typeof COMPARED)[number], typeof Count>),
});

const TITLES = { optOut: 'Opt out of all email', erase: 'Erase a reader' };

export async function privacyRoutes(app: FastifyInstance, context: ConsoleContext): Promise<void> {
  const { db, apply, erasureKey, erasureList, withBroker } = context;

  /** Answers by itself where the contact is not live: its page says what became of it. */
  async function withReader(
    request: FastifyRequest<OfContact>,
    reply: FastifyReply,
    answer: (reader: Reader) => unknown,
  ): Promise<unknown> {
    const key = idKey(request.params.id);
    if (!key) return reply.callNotFound();
    const reader = await findReader(db, key.id);
    return reader ? answer(reader) : reply.redirect(`/contacts/${key.id}`, 303);
  }

  app.get<OfContact>('/contacts/:id/consent', (request, reply) =>
    withReader(request, reply, (reader) =>
      reply.page({ title: 'Proof of consent', children: <ConsentPage body={consentBody(reader)} /> }),
    ),
  );

  app.get<OfContact>('/contacts/:id/consent.json', (request, reply) =>
    withReader(request, reply, (reader) =>
      reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', `attachment; filename="consent-${reader.contact.id}.json"`)
        .send(`${JSON.stringify(consentBody(reader))}\n`),
    ),
  );

  app.get<OfContact>('/contacts/:id/opt-out', (request, reply) =>
    withReader(request, reply, (reader) => reply.page({ title: TITLES.optOut, children: <OptOutPage {...reader} /> })),
  );

  app.post<OfContact>('/contacts/:id/opt-out', (request, reply) =>
    withReader(request, reply, async ({ contact: { id, view } }) => {
      const { address, reason } = readForm(OptOutForm, request);
      const to = addresseeOf(address);
      if (typeof to === 'string' || !view.addresses.includes(to.address.key)) {
        throw new OperatorError('This reader does not have the address any more. Nothing was changed.');
      }
      const result = await optOut(db, to, authorOf(request, reason), apply, id);
      if (typeof result === 'object') throw new OperatorError(`Nothing was changed: ${result.problem}.`);
      return reply.redirect(`/contacts/${id}?done=${result === 'already' ? 'already' : 'opted_out'}`, 303);
    }),
  );

  const eraseOptions = (): EraseOptions | null => (erasureKey === null ? null : { erasureKey, list: erasureList });

  app.get<OfContact>('/contacts/:id/erase', (request, reply) =>
    withReader(request, reply, (reader) => askToErase(reply, reader)),
  );

  async function askToErase(reply: FastifyReply, { contact, person }: Reader, problem?: string): Promise<unknown> {
    const { id } = contact;
    const options = eraseOptions();
    if (options === null) return reply.page({ title: TITLES.erase, children: <NoKeyPage id={id} /> });
    const { deleted } = await erasePerson(db, { contactId: id }, { ...options, dryRun: true });
    const props = { id, deleted, problem, hasBroker: withBroker !== null, hasAddress: person.addresses.length > 0 };
    const status = problem === undefined ? 200 : 400;
    return reply.page({ status, title: TITLES.erase, children: <ErasePage {...props} /> });
  }

  app.post<OfContact>('/contacts/:id/erase', (request, reply) =>
    withReader(request, reply, async (reader) => {
      const options = eraseOptions();
      if (options === null) return askToErase(reply, reader);
      const form = readForm(EraseForm, request);
      const { id } = reader.contact;
      const problem = whyNotTheSame(reader, form.typed);
      if (problem !== null) return askToErase(reply, reader, problem);
      const confirmed = {
        ...options,
        author: authorOf(request, form.reason),
        confirm({ deleted }: Erased) {
          if (COMPARED.some((name) => deleted[name] > form[name])) throw new OperatorError(GROWN);
        },
      };
      const erased =
        withBroker && form.dead_letters
          ? await withBroker((broker) => eraseWithDeadLetters(db, broker, { contactId: id }, confirmed))
          : await erasePerson(db, { contactId: id }, confirmed);
      const numbers = DELETED.map((name) => erased.deleted[name]);
      const dropped = 'deadLetters' in erased ? `&dead_letters=${erased.deadLetters}` : '';
      return reply.redirect(`/erased?deleted=${numbers.join('.')}${dropped}`, 303);
    }),
  );

  /** Numbers are all that is left to show. */
  app.get<{ Querystring: { deleted?: unknown; dead_letters?: unknown } }>('/erased', (request, reply) => {
    const numbers = /^\d{1,9}(\.\d{1,9})*$/.exec(String(request.query.deleted))?.[0].split('.').map(Number) ?? [];
    if (numbers.length !== DELETED.length) return reply.callNotFound();
    const deleted = Object.fromEntries(DELETED.map((name, i) => [name, numbers[i] as number]));
    const { data: deadLetters = null } = Count.safeParse(request.query.dead_letters);
    return reply.page({
      title: 'Erased',
      children: <ErasedPage deleted={deleted as unknown as Erased['deleted']} deadLetters={deadLetters} />,
    });
  });
}

/** Null if what was typed names the reader. */
function whyNotTheSame({ person: { addresses, uid } }: Reader, typed: string): string | null {
  if (addresses.length === 0) {
    return typed.trim().toLowerCase() === uid ? null : 'Nothing was deleted: this is not the account of this reader.';
  }
  const to = addresseeOf(typed);
  if (typeof to === 'string') return `Nothing was deleted: the address ${to}.`;
  return addresses.includes(to.address.key) ? null : 'Nothing was deleted: this reader does not have the address.';
}

const GROWN =
  'More belongs to this reader now than the page showed, because two readers became one in the meantime. Nothing was deleted: look at the reader again.';
