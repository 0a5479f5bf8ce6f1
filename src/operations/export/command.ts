import type { Command } from 'commander';
import { canonicalLine } from '../../contacts/profile/canonical';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import { contactBody } from '../../messages/outgoing/contact-body';
import type { Context } from '../context';
import { makeProgress } from '../progress';
import { number } from '../render';
import { withDatabase } from '../servers';
import { exportContacts } from './store';

export function addExport(program: Command, context: Context): void {
  program
    .command('export')
    .description('Write all live contacts to stdout, one JSON object a line')
    .option('--canonical', 'without generated ids, tokens and times, so that two databases can be compared')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Sorted by (first address, account); all lines are of one moment. Progress goes to stderr.

Examples:
  $ onecontact export > contacts.ndjson
  $ diff <(onecontact export --canonical) expected.ndjson`,
    )
    .action(async ({ canonical }: { canonical?: true }) => {
      const lineOf = canonical
        ? ({ view }: StoredContact) => canonicalLine(view)
        : (contact: StoredContact) => JSON.stringify(contactBody(contact));
      const progress = makeProgress(context.stderr);
      let done = 0;
      try {
        await withDatabase(context.env, (db) =>
          exportContacts(db, async (page, total) => {
            await context.printJson(...page.map(lineOf));
            done += page.length;
            progress.show(`${number(done)} of ${number(total)} contacts`);
          }),
        );
      } finally {
        progress.clear();
      }
    });
}
