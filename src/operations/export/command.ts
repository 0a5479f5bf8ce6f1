import { type Command, InvalidArgumentError, Option } from 'commander';
import { canonicalLine } from '../../contacts/profile/canonical';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import { type ContactView, isMailable } from '../../contacts/profile/contact-view';
import { decodeCursor, encodeCursor, type Position } from '../../foundation/cursor';
import { changeBody } from '../../messages/http/change-body';
import { contactBody } from '../../messages/outgoing/contact-body';
import type { Database } from '../../postgres/database';
import type { Context } from '../context';
import { makeProgress } from '../progress';
import { number } from '../render';
import { withDatabase } from '../servers';
import { exportChanges, exportContacts } from './store';

interface Options {
  canonical?: true;
  newsletter?: string;
  mailable?: true;
  /** True to start from the beginning. */
  since?: Position | true;
}

export function addExport(program: Command, context: Context): void {
  program
    .command('export')
    .description('Write all live contacts, or the changes since a cursor, to stdout: one JSON object per line')
    .option('--canonical', 'leave out generated ids, tokens and times, to compare two databases')
    .option('--newsletter <name>', 'only contacts subscribed to this newsletter')
    .option('--mailable', 'only contacts that may be mailed: with a proven address, and not opted out')
    .addOption(
      new Option('--since [cursor]', 'changed contacts and tombstones since this cursor, or from the beginning')
        .argParser(parseCursor)
        .conflicts(['canonical', 'newsletter', 'mailable']),
    )
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Sorted by (first address, account); all lines come from one snapshot. Progress goes to stderr.

With --since, the lines are the entries of GET /changes (docs/change-feed.md), {"contact":…} or {"tombstone":…}, and the last line is {"next":CURSOR}, where to continue. It cannot be combined with a filter, because a contact that no longer matches would be missing.

Examples:
  $ onecontact export > contacts.ndjson
  $ onecontact export --newsletter privacy-weekly --mailable > recipients.ndjson
  $ onecontact export --since > changes.ndjson
  $ onecontact export --since "$(tail -n 1 changes.ndjson | jq -r .next)" > more.ndjson
  $ diff <(onecontact export --canonical) expected.ndjson`,
    )
    .action(async (options: Options) => {
      const progress = makeProgress(context.stderr);
      try {
        await withDatabase(context.env, async (db) => {
          if (options.since === undefined) await printContacts(db, options, context, progress.show);
          else await printChanges(db, options.since === true ? null : options.since, context, progress.show);
        });
      } finally {
        progress.clear();
      }
    });
}

function parseCursor(text: string): Position {
  const position = decodeCursor(text);
  if (position === undefined)
    throw new InvalidArgumentError('It must be the value of next in the last line of an earlier export.');
  return position;
}

type Show = (progress: string) => void;

async function printContacts(db: Database, options: Options, context: Context, show: Show): Promise<void> {
  const lineOf = options.canonical
    ? ({ view }: StoredContact) => canonicalLine(view)
    : (contact: StoredContact) => JSON.stringify(contactBody(contact));
  let done = 0;
  await exportContacts(db, async (page, total) => {
    await context.printJson(...page.filter(({ view }) => isWanted(view, options)).map(lineOf));
    done += page.length;
    show(`${number(done)} of ${number(total)} contacts`);
  });
}

const isWanted = (view: ContactView, { newsletter, mailable }: Options): boolean =>
  (newsletter === undefined || view.newsletters.get(newsletter)?.state === 'subscribed') &&
  (!mailable || isMailable(view));

async function printChanges(db: Database, after: Position | null, context: Context, show: Show): Promise<void> {
  let done = 0;
  const next = await exportChanges(db, after, async (page) => {
    await context.printJson(...page.map((change) => JSON.stringify(changeBody(change))));
    done += page.length;
    show(`${number(done)} changes`);
  });
  await context.printJson(JSON.stringify({ next: encodeCursor(next) }));
}
