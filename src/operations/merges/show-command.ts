import type { Command } from 'commander';
import type { MergeDetails } from '../../contacts/merge/explain';
import { mergeDetailsBody } from '../../messages/outgoing/merge-body';
import { mergeIdFrom } from '../arguments';
import type { Context } from '../context';
import { mergeText } from '../merge-text';
import { harmless, shortTime, shortTimeUtc, wrap } from '../render';
import { withDatabase } from '../servers';
import { requireMerge } from './run';
import { blockedText } from './text';

export function addShow(merges: Command, context: Context): void {
  const command = merges
    .command('show')
    .description('Explain a merge: why it happened, which values won, which token stayed')
    .argument('<id>', 'the id of the merge, as `merges list` shows it: the message id of contact.merged')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Times are UTC. With --json, "why" is one of: only, same, later, greater, value_before_null, reader, account, refusal, opt_out, unconfirmed, proven, left_behind.

Examples:
  $ onecontact merges show 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11
  $ onecontact merges show --json 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11`,
    )
    .action(async (text: string, options: { json?: true }) => {
      const id = mergeIdFrom(command, text);
      await withDatabase(context.env, async (db) => {
        const merge = await requireMerge(db, id);
        await context.answer(options, mergeDetailsBody(merge), () => detailsText(merge, context.columns));
      });
    });
}

function detailsText(merge: MergeDetails, columns: number): string {
  const { trigger, contacts, undoneAt, blocked } = merge;
  const mergedInto = contacts.survivor.mergedInto;
  const lines = [
    `Merge ${merge.id}, ${shortTimeUtc(merge.mergedAt)}`,
    `by ${harmless(trigger.event)} of ${shortTime(merge.at)}`,
    `(${trigger.source}, id ${harmless(trigger.id)})`,
    '',
    ...mergeText(merge, columns),
    '',
    ...[
      merge.announced
        ? 'Announced by contact.merged. Its message id is the id of the merge.'
        : 'Not announced: the retired contact had not been published yet, or the merge was resolved with --no-announce.',
      ...(mergedInto ? [`The survivor has since been merged into contact ${mergedInto}.`] : []),
      undoneAt
        ? `Undone ${shortTime(undoneAt)}: the retired contact is live again, and each contact has the token it had.`
        : 'Not undone. To see what an undo would do:',
    ].flatMap((line) => wrap(line, columns)),
    ...(undoneAt ? [] : [`  onecontact merges undo ${merge.id} --dry-run`]),
    ...(blocked.length > 0 ? wrap(blockedText(blocked, '`onecontact merges unblock`'), columns) : []),
  ];
  return `${lines.join('\n')}\n`;
}
