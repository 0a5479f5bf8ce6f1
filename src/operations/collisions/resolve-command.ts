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
    .description('Release held claims: from now on they count, and contacts are merged')
    .argument('[uid]', 'only those of this account')
    .argument('[email]', 'only those on this address')
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--limit <n>', 'pairs of address and account at most', positive)
    .option('--rate <n>', 'pairs a second at most', positive)
    .option('--batch-size <n>', 'pairs in one transaction at most', positive, 500)
    .option('--max-errors <n>', 'give up when more pairs than this have failed', wholeNumber, 10)
    .option('--no-announce', 'write no notification: no contact.merged, contact.email_changed or contact.review_needed')
    .option('--json', 'for machines: the summary')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and TOKEN_POLICY as the service has it. The running service announces the merges. With --no-announce
nothing is announced, and the ledger says so. More than one pair needs --yes, or an answer on a terminal.

It is safe beside running workers, and may be stopped at any moment: the next run continues. A pair that fails stays as it
was, and held; after too many failures the command exits with 1.

A dry run tries each transaction alone: what an earlier one would have changed is not seen by a later one.

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
        throw new OperatorError('No such claim is held: `onecontact collisions list` shows those that are.');
      }
      if (failures(resolved) > 0) context.exitCode = 1;
      await context.answer(options, { ...resolved, dry_run: dryRun }, () => resolvedText(resolved, dryRun));
    });
}

const questionText = (pairs: number, announce: boolean): string =>
  `${count(pairs, 'pair')} of address and account. Contacts will be merged${announce ? ', and this is announced' : ''}.\nRelease them?`;

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
      `Too many errors (more than ${run.maxErrors}), given up. ${resolvedText(error.resolved, false).trimEnd()}`,
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
      ? `${count(failures(resolved), 'pair')} failed (${codes.join(', ')}): as before, and still held.\n`
      : '';
  if (released === 0) return failedText || 'No claim is held: nothing to do.\n';
  const what = dryRun ? 'would be released; nothing was changed yet' : 'released';
  return `${count(released, 'pair')} of address and account ${what}: ${merged} merged, ${moved} moved, ${nothing} took nothing.\n${failedText}`;
}
