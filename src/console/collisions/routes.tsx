/** The claims that observe mode holds: what releasing them would do, and release. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { asUid } from '../../contacts/facts/lookup-key';
import { failures, releasePairs } from '../../operations/collisions/run';
import { accountsPage, countHeldUpTo, heldPage, type Pair } from '../../operations/collisions/store';
import { unlessChanged } from '../../operations/previewed';
import { count, number } from '../../operations/render';
import type { ConsoleContext } from '../frame/context';
import { authorOf, BadForm, EFFECT_CHANGED, Reason, readForm } from '../frame/forms';
import { NOT_A_UID } from '../merges/account';
import { ACCOUNTS, AccountList } from './accounts';
import { AT_ONCE, COUNTED, CollisionList, PAGE, pairText } from './list';
import { ReleasePage } from './release';

const NO_PAIR = 'Choose at least one held claim.';

/** As {@link pairText} writes it. */
const PairField = z.string(NO_PAIR).transform((text, context): Pair => {
  const [, uid, address] = /^([0-9a-f]{32}) (\S+)$/.exec(text) ?? [];
  if (uid !== undefined && address !== undefined) return { uid, address };
  context.addIssue(NO_PAIR);
  return z.NEVER;
});
/** One field of a name is a text, several are a list. */
const PairFields = z.union([PairField.transform((pair) => [pair]), z.array(PairField).max(AT_ONCE)], NO_PAIR);

const NextPage = z.object({ account: z.string().default(''), after: PairField });
const PreviewForm = z.object({ account: z.string().default(''), pair: PairFields.optional() });
const ReleaseForm = z.object({
  account: z.string().default(''),
  pair: PairFields,
  seen: z.string(),
  reason: Reason,
  announce: z.literal('yes').optional(),
});

export async function collisionRoutes(app: FastifyInstance, context: ConsoleContext): Promise<void> {
  const { db } = context;
  const apply = { ...context.apply, observes: () => false };

  app.get<{ Querystring: { account?: unknown } }>('/collisions', (request, reply) => {
    const { account } = request.query;
    return list(request, reply, typeof account === 'string' ? account.trim() : '');
  });

  app.post('/collisions', (request, reply) => {
    const { account, after } = readForm(NextPage, request);
    return list(request, reply, account, after);
  });

  app.post('/collisions/preview', async (request, reply) => {
    const { account, pair } = readForm(PreviewForm, request);
    const pairs = pair ?? (await ofAccount(account));
    return preview(request, reply, account, pairs);
  });

  app.post('/collisions/release', async (request, reply) => {
    const { account, pair: pairs, seen, reason, announce } = readForm(ReleaseForm, request);
    const author = authorOf(request, reason);
    const options = { apply: { ...apply, announce: announce === 'yes' }, author, seen: seen || undefined };
    const released = await unlessChanged(releasePairs(db, pairs, options));
    if (!released) return preview(request, reply, account, pairs, EFFECT_CHANGED);
    const [first] = released.outcomes;
    if (pairs.length === 1 && first?.outcome.outcome === 'merged') {
      return reply.redirect(`/merges/${first.outcome.merge.id}?done=released`, 303);
    }
    const { merged, moved, nothing } = released;
    const failed = failures(released);
    const counts = { merged, moved, nothing, failed, gone: pairs.length - released.released - failed };
    const result = Object.entries(counts).map(([name, n]): [string, string] => [name, String(n)]);
    const query = new URLSearchParams([...(account === '' ? [] : [['account', account]]), ...result]);
    return reply.redirect(`/collisions?${query}`, 303);
  });

  app.get<{ Querystring: { after?: unknown } }>('/collisions/accounts', async (request, reply) => {
    const { after } = request.query;
    const uid = (typeof after === 'string' && asUid(after)) || '';
    const page = await accountsPage(db, uid, ACCOUNTS);
    return reply.page({ title: 'Accounts without an address', children: <AccountList page={page} /> });
  });

  async function list(request: FastifyRequest, reply: FastifyReply, account: string, after?: Pair) {
    const uid = account === '' ? null : (asUid(account) ?? null);
    const problem = account !== '' && uid === null ? NOT_A_UID : undefined;
    const held = problem === undefined ? await heldPage(db, { uid }, { size: PAGE + 1, after }) : [];
    const total = held.length > 0 ? await countHeldUpTo(db, { uid }, COUNTED) : 0;
    return reply.page({
      status: problem === undefined ? 200 : 400,
      title: 'Collisions',
      notice: releasedText(request.query as Record<string, unknown>),
      children: (
        <CollisionList
          account={account}
          held={held.slice(0, PAGE)}
          hasMore={held.length > PAGE}
          total={total}
          problem={problem}
        />
      ),
    });
  }

  function ofAccount(account: string): Promise<Pair[]> {
    const uid = asUid(account);
    if (uid === undefined) throw new BadForm(NO_PAIR);
    return heldPage(db, { uid }, { size: AT_ONCE });
  }

  async function preview(
    request: FastifyRequest,
    reply: FastifyReply,
    account: string,
    pairs: readonly Pair[],
    problem?: string,
  ) {
    const options = { apply: { ...apply, dryRun: true }, author: authorOf(request, '') };
    const previewed = await releasePairs(db, pairs, options);
    return reply.page({
      status: problem === undefined ? 200 : 409,
      title: pairs.length === 1 ? 'Release a held claim' : 'Release held claims',
      children: <ReleasePage pairs={pairs} preview={previewed} account={account} problem={problem} />,
    });
  }
}

const COUNTS: readonly [name: string, text: (n: number) => string][] = [
  ['merged', (n) => `${number(n)} merged`],
  ['moved', (n) => `${number(n)} moved`],
  ['nothing', (n) => `${number(n)} without effect`],
  ['failed', (n) => `${count(n, 'pair')} failed and stayed held`],
  ['gone', (n) => `${count(n, 'pair')} had been released before`],
];

/** What a release has just done, by the numbers of its redirect. */
function releasedText(query: Readonly<Record<string, unknown>>): string | undefined {
  const numbers = COUNTS.map(([name]) => query[name]);
  if (!numbers.every((n) => typeof n === 'string' && /^\d{1,6}$/.test(n))) return undefined;
  const shown = COUNTS.flatMap(([, text], i) => {
    const n = Number(numbers[i]);
    return n > 0 ? text(n) : [];
  });
  return `Released: ${shown.join(', ') || 'nothing'}.`;
}
