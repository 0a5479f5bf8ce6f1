import type { Command } from 'commander';
import { renewEpoch } from '../../postgres/feed/epoch';
import { audited, authorOf, withReason } from '../audited';
import type { Context } from '../context';
import { makeProgress } from '../progress';
import { count, number } from '../render';
import { withDatabase } from '../servers';

export function addFeed(program: Command, context: Context): void {
  const feed = program
    .command('feed')
    .description('Maintain the change feed')
    .addHelpText(
      'after',
      `
To read the feed: GET /changes, or \`onecontact export --since\` (docs/change-feed.md).

Examples:
  $ onecontact feed renew --reason 'restored the backup of Tuesday'`,
    );
  withReason(feed.command('renew'))
    .description('Invalidate all cursors of the change feed after a restore, so that its readers start over')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Run it on a restored database, before the service starts (docs/recovery.md): transaction ids are reused after a restore, so a reader with an old cursor would miss changes. Old cursors answer 410. An interrupted command may be run again.

Examples:
  $ onecontact feed renew --reason 'restored the backup of Tuesday'`,
    )
    .action(async (options: { json?: true; reason?: string }) => {
      const progress = makeProgress(context.stderr);
      const entry = { ...authorOf(context.env, options.reason), command: 'feed renew' as const, target: {} };
      try {
        const contacts = await withDatabase(context.env, (db) =>
          audited(
            db,
            entry,
            () => renewEpoch(db, (done) => progress.show(`${number(done)} contacts with ids of another server`)),
            (done) => ({ contacts: done }),
          ),
        );
        const moved = contacts === 0 ? '' : ` ${count(contacts, 'contact')} had transaction ids of another server.`;
        const text = `All earlier cursors are invalid: readers start over.${moved}\n`;
        await context.answer(options, { result: 'renewed', contacts }, () => text);
      } finally {
        progress.clear();
      }
    });
}
