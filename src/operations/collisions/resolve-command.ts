import type { Command } from 'commander';
import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../../postgres/database';
import { addressFrom, positive, uidFrom, wholeNumber } from '../arguments';
import { authorOf, withReason } from '../audited';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { makePace, makeProgress } from '../progress';
import { count, number } from '../render';
import { failures, type Resolved, type ResolveRun, resolveCollisions, TooManyErrors } from './run';
import { countHeldClaims } from './store';

interface Options {
  dryRun?: true;
  limit?: number;
  rate?: number;
  batchSize: number;
  maxErrors: number;
  announce: boolean;
  reason?: string;
  json?: true;
  yes?: true;
}

export function addResolve(collisions: Command, context: Context): void {
  const command = withYes(withReason(collisions.command('resolve')))
    .description('Release held claims, so that they count and contacts are merged')
    .argument('[uid]', 'release only the claims of this account')
    .argument('[email]', 'release only the claims on this address')
    .option('--dry-run', 'show what would be done, without changing anything')
    .option('--limit <n>', 'release at most this many pairs of address and account', positive)
    .option('--rate <n>', 'release at most this many pairs per second', positive)
    .option('--batch-size <n>', 'release at most this many pairs in a transaction', positive, 500)
    .option('--max-errors <n>', 'stop after more failed pairs than this', wholeNumber, 10)
    .option(
      '--no-announce',
      'publish no notifications: no contact.merged, contact.email_changed or contact.review_needed',
    )
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and the service's value of TOKEN_POLICY. The running service announces the merges. With --no-announce, nothing is announced, and the merges are recorded as not announced. More than one pair needs --yes, or an answer on a terminal.

Workers may run at the same time. The command may be interrupted at any moment: the next run continues. A pair that fails is left unchanged and stays held; after too many failures the command exits with 1.

A dry run tries each transaction separately: a later one does not see what an earlier one would have changed.

Examples:
  $ onecontact collisions resolve --dry-run
  $ onecontact collisions resolve --limit 1000 --rate 50 --yes
  $ onecontact collisions resolve --no-announce --yes
  $ onecontact collisions resolve 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test`,
    )
    .action(async (account: string | undefined, email: string | undefined, options: Options) => {
      const filter = {
        uid: account === undefined ? null : uidFrom(command, account),
        address: email === undefined ? null : addressFrom(command, email).key,
      };
      const { limit = Infinity, rate = Infinity, batchSize, maxErrors, announce, dryRun = false } = options;
      const isOne = limit === 1 || (filter.uid !== null && filter.address !== null);
      const ask = confirmation(context, command, options.yes, dryRun || isOne);
      const resolved = await withMerging(context.env, dryRun, async (db, service) => {
        if (ask) {
          const pairs = Math.min(limit, await countHeldClaims(db, filter));
          if (pairs > 1) await ask(questionText(pairs, announce));
        }
        const apply = { ...service, observes: () => false, announce };
        const author = authorOf(context.env, options.reason);
        return withProgress(context, db, { filter, apply, author, batchSize, limit, rate, maxErrors });
      });
      if (resolved.released + failures(resolved) === 0 && filter.uid !== null) {
        throw new OperatorError('This claim is not held: `onecontact collisions list` shows the held claims.');
      }
      if (failures(resolved) > 0) context.exitCode = 1;
      await context.answer(options, { ...resolved, dry_run: dryRun }, () => resolvedText(resolved, dryRun));
    });
}

const questionText = (pairs: number, announce: boolean): string =>
  `${count(pairs, 'pair')} of address and account. Contacts will be merged${announce ? ', and the merges announced' : ''}.\nRelease the claims?`;

async function withProgress({ stderr }: Context, db: Database, run: Omit<ResolveRun, 'onBatch'>): Promise<Resolved> {
  const progress = makeProgress(stderr);
  const pace = makePace();
  // Only a terminal shows the total.
  const total = stderr.isTTY ? Math.min(run.limit, await countHeldClaims(db, run.filter)) : 0;
  pace(0, 0);
  const onBatch = ({ released }: Readonly<Resolved>): void => {
    const share = total === 0 ? null : released / total;
    progress.show(`${number(released)} of ${number(total)} pairs released, ${pace(released, share)}`);
  };
  try {
    return await resolveCollisions(db, { ...run, onBatch });
  } catch (error) {
    if (!(error instanceof TooManyErrors)) throw error;
    throw new OperatorError(
      `Stopped after more than ${run.maxErrors} errors (--max-errors). ${resolvedText(error.resolved, false).trimEnd()}`,
    );
  } finally {
    progress.clear();
  }
}

function resolvedText(resolved: Resolved, dryRun: boolean): string {
  const { released, merged, moved, nothing, failed } = resolved;
  const codes = Object.entries(failed).map(([code, n]) => `${n} with ${code}`);
  const failedText =
    failures(resolved) > 0
      ? `${count(failures(resolved), 'pair')} failed (${codes.join(', ')}): unchanged, and still held.\n`
      : '';
  if (released === 0) return failedText || 'No claims are held: nothing to do.\n';
  const what = dryRun ? 'would be released, nothing was changed' : 'released';
  return `${count(released, 'pair')} of address and account ${what}: ${merged} merged, ${moved} moved, ${nothing} without effect.\n${failedText}`;
}
