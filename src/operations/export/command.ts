import type { Command } from 'commander';
import type { Context } from '../../cli/run';
import { canonicalLine } from '../../contacts/profile/canonical';
import { contactBody } from '../../messages/outgoing/contact-body';
import type { StoredPerson } from '../../postgres/contact-views';
import { withStore } from '../database';
import { makeProgress } from '../progress';
import { write } from '../terminal';
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
        ? ({ view }: StoredPerson) => canonicalLine(view)
        : (person: StoredPerson) => JSON.stringify(contactBody(person));
      const progress = makeProgress(context.stderr);
      let done = 0;
      try {
        await withStore(context.env, (db) =>
          exportContacts(db, async (page, total) => {
            await write(context.stdout, page.map((person) => `${lineOf(person)}\n`).join(''));
            done += page.length;
            progress.show(`${done.toLocaleString('en')} of ${total.toLocaleString('en')} contacts`);
          }),
        );
      } finally {
        progress.clear();
      }
    });
}
