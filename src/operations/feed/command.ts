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
To read it: GET /changes, or \`onecontact export --since\` (docs/change-feed.md).

Examples:
  $ onecontact feed renew --reason 'restored the backup of Tuesday'`,
    );
  withReason(feed.command('renew'))
    .description('Refuse all cursors of the change feed from before, after a restore: readers begin again')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Run it after the database was restored, before the service starts (docs/recovery.md): transaction ids are
given out again, and a reader that went on from an old cursor would miss changes. Old cursors are answered 410. Interrupted, it
may simply be run again.

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
        const text = `Cursors from before are refused from now on: readers begin again.${moved}\n`;
        await context.answer(options, { result: 'renewed', contacts }, () => text);
      } finally {
        progress.clear();
      }
    });
}
