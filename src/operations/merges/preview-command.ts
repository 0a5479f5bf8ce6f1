import type { Command } from 'commander';
import { addressFrom, uidFrom } from '../arguments';
import { outcomeBody, outcomeText } from '../claim-outcome';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { previewClaim } from './run';

export function addPreview(merges: Command, context: Context): void {
  const command = merges
    .command('preview')
    .description('Show what would happen if an account claimed an address now, without changing anything')
    .argument('<uid>', 'an account, which may be unknown')
    .argument('<email>', 'an address, which may be unknown')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and the service's values of TOKEN_POLICY, MERGE_MODE and MERGE_PERCENT. Runs the code of the service in a transaction that is rolled back. With --json, "outcome" is one of: merged, moved, joined, added, kept, not_taken, held, blocked.

Examples:
  $ onecontact merges preview 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test
  $ TOKEN_POLICY=account onecontact merges preview --json 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test`,
    )
    .action(async (account: string, email: string, options: { json?: true }) => {
      const uid = uidFrom(command, account);
      const address = addressFrom(command, email);
      await withMerging(context.env, true, async (db, apply) => {
        const { outcome, released } = await previewClaim(db, { uid, address }, apply);
        const body = {
          account_id: uid,
          address: address.key,
          ...outcomeBody(outcome),
          ...(released && { released: outcomeBody(released) }),
        };
        const lines = [
          `If account ${uid} claimed ${address.key} now:`,
          '',
          ...outcomeText(outcome, context.columns),
          ...(released
            ? [
                '',
                'Once `onecontact collisions resolve` releases the claim:',
                '',
                ...outcomeText(released, context.columns),
              ]
            : []),
          '',
          'Nothing was changed.',
        ];
        await context.answer(options, body, () => `${lines.join('\n')}\n`);
      });
    });
}
