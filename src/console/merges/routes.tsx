/** The merges: a list, one merge side by side, undo and unblock. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { asUid, asUuid } from '../../contacts/facts/lookup-key';
import type { MergeDetails } from '../../contacts/merge/explain';
import { unblockClaims, undoMerge } from '../../operations/merges/run';
import { unlessChanged } from '../../operations/previewed';
import { holdersOf, loadPeople } from '../../postgres/people';
import { auditOfMerge } from '../../postgres/tables/audit';
import { findMerge, laterMerges, listMerges } from '../../postgres/tables/merge';
import { isInOutbox } from '../../postgres/tables/outbox';
import type { ConsoleContext } from '../frame/context';
import { authorOf, EFFECT_CHANGED, noticeOf, Reason, readForm } from '../frame/forms';
import { Problem } from '../frame/page';
import { NOT_A_UID } from './account';
import { MergeList, type MergeQuery, PAGE } from './list';
import { MergePage } from './show';
import { UnblockPage } from './unblock';
import { UndoPage } from './undo';

type OneMerge = { Params: { id: string } };

const UndoForm = z.object({ reason: Reason, seen: z.string() });
const UnblockForm = z.object({ address: z.string('Choose an address.') });
const ConfirmedUnblock = UnblockForm.extend(UndoForm.shape);

/** Later merges that are shown. */
const LATER = 20;

const NOTICES = {
  undone: 'The merge was undone. The retired contact is live again.',
  already_undone: 'The merge had been undone before. Nothing was changed.',
  unblocked: 'The claims count again.',
  merged: 'The claims count again, so the two contacts were merged. This is the new merge.',
  released: 'The claim was released, so the two contacts were merged. This is the merge.',
  not_blocked: 'These claims are not blocked any more. Nothing was changed.',
};

export async function mergeRoutes(app: FastifyInstance, { db, apply }: ConsoleContext): Promise<void> {
  app.get('/merges', async (request, reply) => {
    const query = queryOf(request);
    const uid = query.account === '' ? undefined : asUid(query.account);
    const problem = query.account !== '' && uid === undefined ? NOT_A_UID : undefined;
    const { undone, before } = query;
    const merges = problem === undefined ? await listMerges(db, { limit: PAGE + 1, before, uid, undone }) : [];
    return reply.page({
      status: problem === undefined ? 200 : 400,
      title: 'Merges',
      children: (
        <MergeList query={query} merges={merges.slice(0, PAGE)} hasMore={merges.length > PAGE} problem={problem} />
      ),
    });
  });

  app.get<OneMerge>('/merges/:id', async (request, reply) => {
    const merge = await mergeOf(request);
    if (!merge) return noMerge(reply);
    const later = merge.undoneAt === null ? await laterMerges(db, merge, LATER) : [];
    const people = await loadPeople(db, [merge.survivorId, merge.retiredId]);
    const audit = await auditOfMerge(db, merge);
    const isWaiting = merge.announced && (await isInOutbox(db, merge.id));
    return reply.page({
      title: 'Merge',
      notice: noticeOf(request, NOTICES),
      children: <MergePage merge={merge} later={later} people={people} audit={audit} isWaiting={isWaiting} />,
    });
  });

  app.get<OneMerge>('/merges/:id/undo', async (request, reply) => {
    const merge = await mergeOf(request);
    return merge ? previewUndo(request, reply, merge) : noMerge(reply);
  });

  app.post<OneMerge>('/merges/:id/undo', async (request, reply) => {
    const merge = await mergeOf(request);
    if (!merge) return noMerge(reply);
    const { reason, seen } = readForm(UndoForm, request);
    const result = await unlessChanged(undoMerge(db, merge.id, authorOf(request, reason), { ...apply, seen }));
    if (result?.result === 'undone' || result?.result === 'already_undone') {
      return reply.redirect(`/merges/${merge.id}?done=${result.result}`, 303);
    }
    return previewUndo(request, reply, merge, EFFECT_CHANGED);
  });

  app.post<OneMerge>('/merges/:id/unblock', async (request, reply) => {
    const merge = await mergeOf(request);
    if (!merge) return noMerge(reply);
    return previewUnblock(request, reply, merge, readForm(UnblockForm, request).address);
  });

  app.post<OneMerge>('/merges/:id/unblock/confirm', async (request, reply) => {
    const merge = await mergeOf(request);
    if (!merge) return noMerge(reply);
    const { address, reason, seen } = readForm(ConfirmedUnblock, request);
    if (!merge.blocked.includes(address)) return notBlocked(reply, merge);
    const author = authorOf(request, reason);
    const done = await unlessChanged(unblockClaims(db, { uid: merge.uid, address }, author, { ...apply, seen }));
    if (!done) return previewUnblock(request, reply, merge, address, EFFECT_CHANGED);
    const { outcome } = done;
    const to = outcome.outcome === 'merged' ? `${outcome.merge.id}?done=merged` : `${merge.id}?done=unblocked`;
    return reply.redirect(`/merges/${to}`, 303);
  });

  function mergeOf({ params: { id } }: FastifyRequest<OneMerge>): Promise<MergeDetails | null> | null {
    const uuid = asUuid(id);
    return uuid === undefined ? null : findMerge(db, uuid);
  }

  async function previewUndo(request: FastifyRequest, reply: FastifyReply, merge: MergeDetails, problem?: string) {
    const undo = await undoMerge(db, merge.id, authorOf(request, ''), { ...apply, dryRun: true });
    const isRefused = undo.result === 'superseded' || undo.result === 'empty';
    return reply.page({
      status: problem === undefined ? 200 : 409,
      title: 'Undo a merge',
      children: (
        <UndoPage
          undo={undo}
          later={isRefused ? await laterMerges(db, merge, LATER) : []}
          holders={isRefused ? await holdersOf(db, merge.addresses) : []}
          problem={problem}
        />
      ),
    });
  }

  async function previewUnblock(
    request: FastifyRequest,
    reply: FastifyReply,
    merge: MergeDetails,
    address: string,
    problem?: string,
  ) {
    if (!merge.blocked.includes(address)) return notBlocked(reply, merge);
    const pair = { uid: merge.uid, address };
    const unblock = await unblockClaims(db, pair, authorOf(request, ''), { ...apply, dryRun: true });
    return reply.page({
      status: problem === undefined ? 200 : 409,
      title: 'Unblock claims',
      children: <UnblockPage merge={merge} address={address} unblock={unblock} problem={problem} />,
    });
  }
}

const notBlocked = (reply: FastifyReply, { id }: MergeDetails) => reply.redirect(`/merges/${id}?done=not_blocked`, 303);

function queryOf(request: FastifyRequest): MergeQuery {
  const { account, undone, before } = request.query as Record<string, unknown>;
  return {
    account: typeof account === 'string' ? account.trim() : '',
    undone: undone === 'yes',
    before: typeof before === 'string' && /^\d{1,18}$/.test(before) ? BigInt(before) : undefined,
  };
}

const noMerge = (reply: FastifyReply) =>
  reply.page({
    status: 404,
    title: 'Merge not found',
    children: (
      <Problem>
        <p>No merge has this id. Either it is mistyped, or the reader was erased since.</p>
        <p>
          <a href="/merges">All merges</a>
        </p>
      </Problem>
    ),
  });
