import type { Command } from 'commander';
import { shownKey } from '../../contacts/facts/pseudonym';
import { iso } from '../../foundation/times';
import { positive } from '../arguments';
import { type ClaimOutcome, outcomeBody, outcomeText } from '../claim-outcome';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { count, harmless, number, shortTime, wrap } from '../render';
import { previewRelease } from './run';
import {
  type AccountWithoutAddress,
  accountsWithoutAddress,
  countHeldClaims,
  type HeldClaims,
  heldPages,
} from './store';

const DEFAULT_LIMIT = 20;

interface Options {
  limit: number;
  plan?: true;
  json?: true;
}

export function addList(collisions: Command, context: Context): void {
  collisions
    .command('list')
    .description('List held claims by address and account, and live accounts without an address')
    .option('--limit <n>', 'list at most this many of each kind; the totals count all', positive, DEFAULT_LIMIT)
    .option('--plan', 'also show what resolving each held claim would do')
    .option('--json', 'print one JSON object per line, with kind "held" or "no_address"')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and the service's value of TOKEN_POLICY. --plan resolves each pair of address and account in a transaction of its own, which is rolled back. Times are UTC.

Examples:
  $ onecontact collisions list
  $ onecontact collisions list --limit 5 --plan
  $ onecontact collisions list --limit 1000000 --json | jq 'select(.kind == "no_address")'`,
    )
    .action(async (options: Options) => {
      const { limit } = options;
      await withMerging(context.env, true, async (db, apply) => {
        let pairs = 0;
        for await (const page of heldPages(db, {}, { limit })) {
          for (const held of page) {
            const plan = options.plan ? await previewRelease(db, held, apply) : null;
            pairs += 1;
            await context.answer(options, heldBody(held, plan), () => heldText(held, plan, context.columns));
          }
        }
        let accounts = 0;
        for await (const account of accountsWithoutAddress(db)) {
          accounts += 1;
          if (accounts > limit) continue;
          await context.answer(options, accountBody(account), () => accountText(account, context.columns));
        }
        if (pairs === limit) pairs = await countHeldClaims(db, {});
        if (!options.json) await context.print(totalsText(pairs, accounts, limit));
        else if (Math.max(pairs, accounts) > limit) context.stderr.write(`${moreText(pairs, accounts, limit)}\n`);
      });
    });
}

const heldBody = (held: HeldClaims, plan: ClaimOutcome | null) => ({
  kind: 'held',
  address: held.address,
  account_id: held.uid,
  claims: held.claims,
  since: iso(held.since),
  until: iso(held.until),
  event: held.event,
  contact_id: held.contactId,
  contact_account_id: shownKey(held.contactUid),
  plan: plan && outcomeBody(plan),
});

function heldText(held: HeldClaims, plan: ClaimOutcome | null, columns: number): string {
  const times = held.claims === 1 ? 'once' : `${held.claims} times, last ${shortTime(held.until)}`;
  const holder = held.contactUid === null ? 'no account' : `account ${shownKey(held.contactUid) ?? '(erased)'}`;
  const lines = [
    held.address,
    `  claimed by  account ${held.uid}`,
    `  since       ${shortTime(held.since)} (${harmless(held.event)}, ${times})`,
    `  now with    contact ${held.contactId ?? '-'}`,
    `  of          ${holder}`,
    ...(plan ? indent(['Resolving it would do this:', ...outcomeText(plan, columns - INDENT.length)]) : []),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

const INDENT = '  ';

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === '' ? '' : INDENT + line));

const accountBody = (account: AccountWithoutAddress) => ({
  kind: 'no_address',
  account_id: account.uid,
  contact_id: account.contactId,
  last_claimed: account.address,
  claimed_at: account.claimedAt === null ? null : iso(account.claimedAt),
  now_with_contact: account.holderId,
});

function accountText(account: AccountWithoutAddress, columns: number): string {
  const { uid, contactId, address, claimedAt, holderId } = account;
  const last =
    address === null || claimedAt === null
      ? '-'
      : `${address} (${shortTime(claimedAt)}), now with contact ${holderId ?? '-'}`;
  const lines = [
    `account ${uid}`,
    `  contact     ${contactId}, without an address`,
    ...wrap(`  last claim  ${last}`, columns, '  last claim  '.length),
  ];
  return `${lines.join('\n')}\n\n`;
}

function totalsText(pairs: number, accounts: number, limit: number): string {
  const held =
    pairs === 0
      ? 'No claims are held.'
      : `${count(pairs, 'pair')} of address and account held: \`onecontact collisions resolve\` releases them.`;
  const left =
    accounts === 0
      ? 'Every live account has an address.'
      : `${count(accounts, 'live account')} without an address, for review. The next claim adds one.`;
  const more = Math.max(pairs, accounts) > limit ? [moreText(pairs, accounts, limit)] : [];
  return `${[held, left, ...more].join('\n')}\n`;
}

function moreText(pairs: number, accounts: number, limit: number): string {
  const hidden = [
    ...(pairs > limit ? [`${number(pairs - limit)} pairs`] : []),
    ...(accounts > limit ? [`${number(accounts - limit)} accounts`] : []),
  ];
  return `Not shown: ${hidden.join(' and ')}. --limit shows more.`;
}
