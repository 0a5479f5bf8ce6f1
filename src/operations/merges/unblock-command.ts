import type { Command } from 'commander';
import { addressFrom, uidFrom } from '../arguments';
import { authorOf, withReason } from '../audited';
import { type ClaimOutcome, outcomeBody, outcomeText } from '../claim-outcome';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { unblockClaims } from './run';

interface Options {
  dryRun?: true;
  json?: true;
  reason?: string;
  yes?: true;
}

export function addUnblock(merges: Command, context: Context): void {
  const command = withYes(withReason(merges.command('unblock')))
    .description("Let an account's claims on an address count again after an undo, which may merge again")
    .argument('<uid>', 'the account')
    .argument('<email>', 'the address')
    .option('--dry-run', 'show what would be done, without changing anything')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and TOKEN_POLICY. Claims received in the meantime count, too: if the account proved the address, the contacts are merged again at once, under a new merge id, and the merge is announced.

Examples:
  $ onecontact merges unblock 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test --dry-run
  $ onecontact merges unblock 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test --yes`,
    )
    .action(async (account: string, email: string, options: Options) => {
      const { dryRun = false } = options;
      const uid = uidFrom(command, account);
      const address = addressFrom(command, email).key;
      const ask = confirmation(context, command, options.yes, dryRun);
      await withMerging(context.env, dryRun, async (db, apply) => {
        const author = authorOf(context.env, options.reason);
        const unblock = (isDry: boolean) => unblockClaims(db, { uid, address }, author, { ...apply, dryRun: isDry });
        if (ask) await ask(`${unblockText((await unblock(true)).outcome, true, context.columns)}Unblock them?`);
        const { outcome } = await unblock(dryRun);
        const body = { account_id: uid, address, result: 'unblocked', dry_run: dryRun, ...outcomeBody(outcome) };
        await context.answer(options, body, () => unblockText(outcome, dryRun, context.columns));
      });
    });
}

function unblockText(outcome: ClaimOutcome, dryRun: boolean, columns: number): string {
  const head = dryRun ? 'Dry run: the claims can be unblocked. Nothing was changed.' : 'The claims count again.';
  return `${[head, ...outcomeText(outcome, columns)].join('\n')}\n`;
}
