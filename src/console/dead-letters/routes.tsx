/** The dead letters by reason, one of them, replay and drop. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { normaliseAddress } from '../../contacts/facts/address';
import { audited } from '../../operations/audited';
import { resultOf } from '../../operations/dead-letters/audit';
import { type Filter, ORIGIN_QUEUES } from '../../operations/dead-letters/filter';
import { pageBounds, readOverview, searchBounds } from '../../operations/dead-letters/overview';
import { REASONS } from '../../operations/dead-letters/reasons';
import {
  areStillThere,
  type BrowseRun,
  dropDeadLetters,
  exactly,
  replayDeadLetters,
} from '../../operations/dead-letters/run';
import { mentionsOf } from '../../operations/mentions';
import type { Broker } from '../../operations/servers';
import { failureOf } from '../../postgres/errors';
import type { ConsoleContext } from '../frame/context';
import { authorOf, BadForm, Reason, readForm } from '../frame/forms';
import { NotNow } from '../frame/not-now';
import { Problem } from '../frame/page';
import { ConfirmPage, type Target, TITLES } from './confirm-page';
import { LetterPage } from './letter-page';
import { FoundPage, ListPage } from './list-page';
import { CHANGE_MS, PAGE_MS, queueWork } from './queue';
import { readLetter } from './read-letter';
import { resultPath, resultText } from './result';

const PAGE = 50;

const Id = z.string().regex(/^[0-9a-f]{16}$/);
/** Only names that are known: an address of the console has nothing that an outsider wrote. */
const Known = { reason: z.enum([...REASONS.keys()] as [string]), origin: z.enum([...ORIGIN_QUEUES] as [string]) };
const ListQuery = z.object({
  reason: Known.reason.optional().catch(undefined),
  origin: Known.origin.optional().catch(undefined),
  after: Id.optional().catch(undefined),
});
const SearchForm = z.object({ address: z.string('Enter an email address.') });
const absent = z.literal('').transform(() => undefined);
const TARGET = {
  act: z.enum(['replay', 'drop'], 'Say whether to replay or to drop.'),
  id: Id.or(absent).optional(),
  origin: Known.origin.or(absent).optional(),
};
const ConfirmQuery = z.object({ ...TARGET, reason: Known.reason.or(absent).optional() });
const ConfirmForm = z.object({
  ...TARGET,
  /** The reason of the dead letters; `reason` is that of the person. */
  which: Known.reason.or(absent).optional(),
  matched: z.coerce.number().int().min(1),
  mark: z.string().regex(/^[0-9a-z]{1,30}$/),
  reason: Reason,
});

export async function deadLetterRoutes(app: FastifyInstance, context: ConsoleContext): Promise<void> {
  const { db, log } = context;
  const onQueue = queueWork(context);

  app.get('/dead-letters', async (request, reply) => {
    const { after, ...choice } = ListQuery.parse(request.query);
    const filter = { ids: new Set<string>(), ...filterOf(choice) };
    const run = { filter, after, size: PAGE, signal: AbortSignal.timeout(PAGE_MS), ...pageBounds() };
    const overview = await onQueue((broker) => readOverview(broker, run));
    return reply.page({
      title: 'Dead letters',
      notice: resultText(request),
      children: <ListPage overview={overview} choice={choice} isLater={after !== undefined} />,
    });
  });

  // An address is never part of an address of the console.
  app.post('/dead-letters/search', async (request, reply) => {
    const { address } = readForm(SearchForm, request);
    const key = normaliseAddress(address);
    if (!key.ok) throw new BadForm(`The address ${key.problem}.`);
    const filter = { ids: new Set<string>(), mentions: mentionsOf({ addresses: [key.address.key] }) };
    const run = { filter, size: PAGE, signal: AbortSignal.timeout(PAGE_MS), ...pageBounds() };
    const overview = await onQueue((broker) => readOverview(broker, run));
    return reply.page({ title: 'Dead letters of one person', children: <FoundPage overview={overview} /> });
  });

  app.get<{ Params: { id: string } }>('/dead-letters/:id', async (request, reply) => {
    const { success, data: id } = Id.safeParse(request.params.id);
    if (!success) return reply.callNotFound();
    const run = { signal: AbortSignal.timeout(PAGE_MS), ...searchBounds() };
    const { letter, interrupted } = await onQueue((broker) => readLetter(broker, id, run));
    if (letter === null && interrupted) throw new NotNow(TOO_MANY);
    if (letter === null) return reply.page({ status: 404, title: 'Not found', children: <Gone /> });
    return reply.page({ title: 'Dead letter', children: <LetterPage letter={letter} /> });
  });

  app.get('/dead-letters/confirm', async (request, reply) => {
    const { data } = ConfirmQuery.safeParse(request.query);
    if (data === undefined || !isTarget(data)) return reply.callNotFound();
    const counted = await onQueue((broker) => act(broker, data, { isTrial: true }));
    return reply.page({ title: TITLES[data.act], children: <ConfirmPage target={data} counted={counted} /> });
  });

  app.post('/dead-letters/confirm', async (request, reply) => {
    const { which, reason, matched, mark, ...rest } = readForm(ConfirmForm, request);
    const target: Target = { ...rest, reason: which };
    if (!isTarget(target)) throw new BadForm('Say which dead letters.');
    const counted = { matched, mark };
    const changed = await onQueue(async (broker) => {
      const run = runOf(target);
      if (!(await areStillThere(broker, run, counted))) return null;
      const entry = {
        ...authorOf(request, reason),
        command: `dead-letters ${target.act}` as const,
        target: target.id === undefined ? filterOf(target) : { ids: [target.id] },
      };
      let done: Awaited<ReturnType<typeof act>> | undefined;
      const work = async () => {
        done = await act(broker, target, { isTrial: false, counted });
        return done;
      };
      try {
        return await audited(db, entry, work, resultOf);
      } catch (error) {
        if (done === undefined) throw error;
        log.error({ code: failureOf(error).code }, 'console: the result of a change is not in the audit');
        return done;
      }
    });
    if (changed !== null) return reply.redirect(resultPath(changed), 303);
    const again = await onQueue((broker) => act(broker, target, { isTrial: true }));
    const page = <ConfirmPage target={target} counted={again} problem={CHANGED} />;
    return reply.page({ status: 409, title: TITLES[target.act], children: page });
  });
}

const CHANGED = 'Not done: meanwhile, some of these dead letters were replayed or dropped. This is what is there now.';

const TOO_MANY =
  'There are too many dead letters: looking for this one took too long. Replay or drop some of them, then try again.';

/** All dead letters at once are never a target. */
const isTarget = ({ id, reason }: Target): boolean => (id === undefined) !== (reason === undefined);

const filterOf = ({ reason, origin }: Pick<Target, 'reason' | 'origin'>): Pick<Filter, 'reason' | 'originQueue'> => ({
  ...(reason !== undefined && { reason }),
  ...(origin !== undefined && { originQueue: origin }),
});

const runOf = (target: Target): BrowseRun => ({
  filter: { ids: new Set(target.id === undefined ? [] : [target.id]), ...filterOf(target) },
  signal: AbortSignal.timeout(CHANGE_MS),
  ...(target.id !== undefined && searchBounds()),
});

interface ActOptions {
  isTrial: boolean;
  /** Those and no others. @default all that match */
  counted?: { matched: number; mark: string };
}

function act(broker: Broker, target: Target, { isTrial, counted }: ActOptions) {
  const { filter, ...bounds } = runOf(target);
  const run = { ...bounds, filter: counted ? exactly(filter, counted) : filter };
  return target.act === 'replay' ? replayDeadLetters(broker, run, isTrial) : dropDeadLetters(broker, run, isTrial);
}

const Gone = () => (
  <>
    <Problem>
      This dead letter is not in the queue now. It may have been replayed or dropped. A dead letter that was replayed
      and failed again has a new id.
    </Problem>
    <p>
      <a href="/dead-letters">All dead letters</a>
    </p>
  </>
);
