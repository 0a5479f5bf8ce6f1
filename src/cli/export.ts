import type { Command } from 'commander';
import { canonicalLine } from '../contacts/canonical';
import { contactBody } from '../http/contact-body';
import { exportContacts } from '../store/export-contacts';
import type { StoredPerson } from '../store/load-people';
import { makeProgress } from './progress';
import type { Context } from './run';
import { withStore } from './store';
import { write } from './terminal';

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
