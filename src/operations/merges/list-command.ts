import type { Command } from 'commander';
import { shownKey } from '../../contacts/facts/pseudonym';
import type { StoredMerge } from '../../contacts/merge/merge';
import { storedMergeBody } from '../../messages/outgoing/merge-body';
import { positive, uidFrom } from '../arguments';
import type { Context } from '../context';
import { listing, shortTime } from '../render';
import { withDatabase } from '../servers';
import { mergePages } from './run';

export function addList(merges: Command, context: Context): void {
  const command = merges
    .command('list')
    .description('List the latest merges, newest first')
    .option('--limit <n>', 'show at most this many merges', positive, 20)
    .option('--account <uid>', 'show only merges that this account took part in')
    .option('--undone', 'show only undone merges')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL.

Examples:
  $ onecontact merges list
  $ onecontact merges list --account 9f3c1a7be2d84c06b5a1e0774cd2f8aa
  $ onecontact merges list --undone --limit 1000 --json`,
    )
    .action(async (options: { limit: number; account?: string; undone?: true; json?: true }) => {
      const { limit, undone, json } = options;
      const uid = options.account === undefined ? undefined : uidFrom(command, options.account);
      await withDatabase(context.env, async (db) => {
        let isFirst = true;
        let left = limit;
        for await (const page of mergePages(db, { limit: limit + 1, uid, undone })) {
          const merges = page.slice(0, left);
          if (json) await context.printJson(...merges.map(jsonLine));
          else if (merges.length > 0) await context.print(listText(merges, isFirst, context.columns));
          isFirst = false;
          left -= page.length;
        }
        if (json) return;
        if (isFirst) await context.print('No merges found.\n');
        if (left < 0) await context.print('There are older merges: --limit shows more.\n');
      });
    });
}

const jsonLine = (merge: StoredMerge): string => JSON.stringify(storedMergeBody(merge));

function listText(merges: readonly StoredMerge[], isFirst: boolean, columns: number): string {
  const rows = merges.map(({ id, mergedAt, undoneAt, reason, uid, addresses }) => [
    id,
    shortTime(mergedAt),
    undoneAt ? `${reason}, undone` : reason,
    shownKey(uid) ?? '(erased)',
    addresses.join(', '),
  ]);
  const lines = listing(['merge', 'merged (UTC)', 'reason', 'account', 'addresses'], rows, columns, !isFirst);
  return `${lines.join('\n')}\n`;
}
