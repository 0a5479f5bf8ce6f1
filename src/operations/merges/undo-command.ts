import type { Command } from 'commander';
import type { UndoRefusal } from '../../contacts/merge/undo';
import { OperatorError } from '../../foundation/operator-error';
import { mergeIdFrom } from '../arguments';
import { authorOf, withReason } from '../audited';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { type UndoResult, undoMerge } from './run';

interface Options {
  dryRun?: true;
  json?: true;
  reason?: string;
  yes?: true;
}

export function addUndo(merges: Command, context: Context): void {
  const command = withYes(withReason(merges.command('undo')))
    .description('Take a merge back: the retired contact and its token live again')
    .argument('<id>', "the ledger's id: the message id of contact.merged")
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and TOKEN_POLICY. Each side gets back the token that it had. An announced merge is followed by
contact.unmerged. Later claims of the account on the merge's addresses are blocked until \`onecontact merges unblock\`.

Answers undone or already_undone with exit code 0. It exits with 1 when the merge cannot be undone: superseded (a later merge
depends on it, or another account has the address now) or empty (one side would be left with nothing).

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
          if (preview.result === 'undone') await ask(`${undoText(preview, true)}Undo it?`);
        }
        const undo = await undoMerge(db, id, author, apply);
        const { result } = undo;
        const isRefused = result === 'superseded' || result === 'empty';
        const body = { merge_id: id, result, dry_run: dryRun, ...(result === 'undone' && sidesBody(undo)) };
        if (json || !isRefused) await context.answer(options, body, () => undoText(undo, dryRun));
        if (isRefused) throw new OperatorError(refusalText(result));
      });
    });
}

function refusalText(refusal: UndoRefusal): string {
  if (refusal === 'superseded') {
    return (
      'superseded: a later merge of this contact depends on it, or another account has one of its addresses now. ' +
      'Undo the later merges first: `onecontact merges list --account UID` shows them.'
    );
  }
  return (
    'empty: one of the two contacts would be left with neither an address nor a live account, or an address would go ' +
    'to a third contact. It stays merged; the owner of the address can claim it with an account of their own.'
  );
}

const sidesBody = ({ merge: { survivorId, retiredId, addresses }, tokenOf }: UndoResult) => ({
  restored: { contact_id: retiredId, basket_token: tokenOf(retiredId), addresses },
  survivor: { contact_id: survivorId, basket_token: tokenOf(survivorId) },
});

function undoText({ result, merge: { survivorId, retiredId, uid, addresses }, tokenOf }: UndoResult, dryRun: boolean) {
  if (result === 'already_undone') return 'already_undone: nothing to do.\n';
  const token = (contactId: string): string => {
    const id = tokenOf(contactId);
    return id === null ? 'a new token' : `token ${id}`;
  };
  const lines = [
    dryRun ? 'It can be undone; nothing was changed yet.' : 'undone',
    `Contact ${retiredId} lives again, with ${addresses.join(', ')} and ${token(retiredId)}.`,
    `Contact ${survivorId} stays with account ${uid} and ${token(survivorId)}.`,
    `Claims of the account on ${addresses.join(', ')} do not count until \`onecontact merges unblock\`.`,
  ];
  return `${lines.join('\n')}\n`;
}
