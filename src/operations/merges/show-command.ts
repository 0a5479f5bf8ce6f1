import type { Command } from 'commander';
import type { MergeDetails } from '../../contacts/merge/explain';
import { iso } from '../../foundation/times';
import { mergeDetailsBody } from '../../messages/outgoing/merge-body';
import { mergeIdFrom } from '../arguments';
import type { Context } from '../context';
import { mergeText } from '../merge-text';
import { harmless } from '../render';
import { withDatabase } from '../servers';

import { requireMerge } from './run';

export function addShow(merges: Command, context: Context): void {
  const command = merges
    .command('show')
    .description('Explain a merge: why, which values won, what lost, which token stayed')
    .argument('<id>', "the ledger's id: the message id of contact.merged")
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Times in the table are UTC. With --json, "why" is one of: only, same, later, greater,
value_before_null, reader, account, refusal, opt_out, unconfirmed, proven, left_behind.

Examples:
  $ onecontact merges show 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11
  $ onecontact merges show --json 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11`,
    )
    .action(async (text: string, options: { json?: true }) => {
      const id = mergeIdFrom(command, text);
      await withDatabase(context.env, async (db) => {
        const merge = await requireMerge(db, id);
        await context.answer(options, mergeDetailsBody(merge), () => detailsText(merge));
      });
    });
}

function detailsText(merge: MergeDetails): string {
  const { trigger, contacts, undoneAt, blocked } = merge;
  const mergedInto = contacts.survivor.mergedInto;
  const lines = [
    `Merge ${merge.id}, ${merge.mergedAt.toISOString()}`,
    `by ${harmless(trigger.event)} of ${iso(merge.at)} (${trigger.source}, id ${harmless(trigger.id)})`,
    '',
    ...mergeText(merge),
    '',
    merge.announced
      ? 'Announced by contact.merged, whose message id is that of the merge.'
      : 'Not announced: nobody had seen the retired contact yet, or it was resolved with --no-announce.',
    ...(mergedInto ? [`The survivor is merged on into contact ${mergedInto} by now.`] : []),
    undoneAt
      ? `Undone ${undoneAt.toISOString()}: the retired contact lives again, and each side has the token it had.`
      : `Not undone. To see what undoing it would do: \`onecontact merges undo ${merge.id} --dry-run\`.`,
    ...(blocked.length > 0
      ? [`Claims of the account on ${blocked.join(', ')} do not count until \`onecontact merges unblock\`.`]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}
