import type { Command } from 'commander';
import { OperatorError } from '../../foundation/operator-error';
import { mergeIdFrom } from '../arguments';
import { authorOf, withReason } from '../audited';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { wrap } from '../render';
import { type UndoResult, undoMerge } from './run';
import { blockedText, REFUSALS } from './text';

interface Options {
  dryRun?: true;
  json?: true;
  reason?: string;
  yes?: true;
}

export function addUndo(merges: Command, context: Context): void {
  const command = withYes(withReason(merges.command('undo')))
    .description('Undo a merge: the retired contact and its token become live again')
    .argument('<id>', 'the id of the merge, as `merges list` shows it: the message id of contact.merged')
    .option('--dry-run', 'show what would be done, without changing anything')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and TOKEN_POLICY. Each contact gets back the token it had. If the merge was announced, contact.unmerged is published. From then on, the account's claims on the merge's addresses are blocked until \`onecontact merges unblock\`.

Exits with 0 when the merge is undone, also when it already was. Exits with 1 when it cannot be undone: a later merge depends on it, another account has the address now, or one contact would be left with nothing. With --json, "result" is one of: undone, already_undone, superseded, empty.

Examples:
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11 --dry-run
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11 --reason 'ticket 4711' --yes`,
    )
    .action(async (text: string, options: Options) => {
      const { dryRun = false, json } = options;
      const id = mergeIdFrom(command, text);
      const ask = confirmation(context, command, options.yes, dryRun);
      await withMerging(context.env, dryRun, async (db, apply) => {
        const author = authorOf(context.env, options.reason);
        if (ask) {
          const preview = await undoMerge(db, id, author, { ...apply, dryRun: true });
          if (preview.result === 'undone') await ask(`${undoText(preview, true, context.columns)}Undo it?`);
        }
        const undo = await undoMerge(db, id, author, apply);
        const { result } = undo;
        const isRefused = result === 'superseded' || result === 'empty';
        const body = { merge_id: id, result, dry_run: dryRun, ...(result === 'undone' && sidesBody(undo)) };
        if (json || !isRefused) await context.answer(options, body, () => undoText(undo, dryRun, context.columns));
        if (isRefused) throw new OperatorError(`${REFUSALS[result]}${result === 'superseded' ? UNDO_LATER : ''}`);
      });
    });
}

const UNDO_LATER = ' Undo the later merges first: `onecontact merges list --account UID` shows them.';

const sidesBody = ({ merge: { survivorId, retiredId, addresses }, tokenOf }: UndoResult) => ({
  restored: { contact_id: retiredId, basket_token: tokenOf(retiredId), addresses },
  survivor: { contact_id: survivorId, basket_token: tokenOf(survivorId) },
});

function undoText(undo: UndoResult, dryRun: boolean, columns: number): string {
  const { survivorId, retiredId, uid, addresses } = undo.merge;
  if (undo.result === 'already_undone') return 'The merge was undone before: nothing to do.\n';
  const token = (contactId: string): string => {
    const id = undo.tokenOf(contactId);
    return id === null ? 'a new token' : `token ${id}`;
  };
  const lines = [
    dryRun ? 'Dry run: the merge can be undone. Nothing was changed.' : 'The merge is undone.',
    `Contact ${retiredId} is live again, with ${addresses.join(', ')} and ${token(retiredId)}.`,
    `Contact ${survivorId} keeps account ${uid}, and has ${token(survivorId)}.`,
    blockedText(addresses, '`onecontact merges unblock`'),
  ];
  return `${lines.flatMap((line) => wrap(line, columns)).join('\n')}\n`;
}
