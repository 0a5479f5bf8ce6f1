import type { Command } from 'commander';
import { isPseudonym } from '../../contacts/facts/pseudonym';
import { OperatorError } from '../../foundation/operator-error';
import { knownTime } from '../../messages/outgoing/contact-body';
import type { StoredChoice } from '../../postgres/tables/choice';
import { addressFrom } from '../arguments';
import type { Context } from '../context';
import { makePace, makeProgress } from '../progress';
import { listing, number, shortTime, table } from '../render';
import { withDatabase } from '../servers';
import { type ConsentBody, choiceBody, consentBody } from './body';
import { findPerson, readWholeLedger } from './store';
import { aboutText, placeOf, WHY } from './text';

export function addConsent(program: Command, context: Context): void {
  const command = program
    .command('consent')
    .description("Show a person's choices, and why each counts or not; or the whole consent ledger")
    .argument('[email]', 'any address of the person')
    .option('--all', 'print every choice of everyone instead, as one JSON object per line')
    .option('--json', 'print JSON, with language, format, reason and fields: the answer to a person who asks')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Exits with 1 when the address is unknown. Choices that an earlier owner made at one of the person's addresses are shown without source, language, format, reason and fields. Times are UTC. With --json, "why" is one of:
${table(Object.entries(WHY).map(([why, meaning]) => [`  ${why}`, meaning])).join('\n')}

--all is for a data warehouse: it reads one snapshot, and does not say whether a choice counts. "contact_id" is the contact that has the address or account now; join on it with \`onecontact export\`. "newsletter" is empty for all email, and null for a set ("exactly these newsletters"), whose "refused" says what it refuses: "only" some, or "all_but" some. Choices of erased people have no origin. Progress goes to stderr.

Examples:
  $ onecontact consent ada@mail.test
  $ onecontact consent --all | gzip > consent.ndjson.gz
  $ onecontact consent --json ada@mail.test > consent.json`,
    )
    .action(async (text: string | undefined, { json, all }: { json?: true; all?: true }) => {
      if ((text === undefined) !== (all ?? false)) command.error('error: name either an address or --all');
      if (text === undefined) return printLedger(context);
      const { key } = addressFrom(command, text);
      return withDatabase(context.env, async (db) => {
        const found = await findPerson(db, key);
        if (!found) throw new OperatorError('No contact or choice has this address.');
        const body = consentBody(found);
        await context.answer({ json }, body, () => textOf(body, context.columns));
      });
    });
}

async function printLedger(context: Context): Promise<void> {
  const progress = makeProgress(context.stderr);
  const pace = makePace();
  let done = 0;
  try {
    await withDatabase(context.env, (db) =>
      readWholeLedger(db, async (page, total) => {
        await context.printJson(...page.map((choice) => JSON.stringify(ledgerBody(choice))));
        done += page.length;
        progress.show(`${number(done)} choices, ${pace(done, total && done / total)}`);
      }),
    );
  } finally {
    progress.clear();
  }
}

const ledgerBody = ({ at, contactId, origin, ...choice }: StoredChoice) => ({
  event_time: knownTime(at),
  contact_id: contactId,
  origin: isPseudonym(origin.key) ? null : origin,
  ...choiceBody(choice),
});

function textOf({ contact_id, addresses, account_id, opted_out, choices }: ConsentBody, columns: number): string {
  const person = table([
    ['contact', contact_id],
    ...addresses.map((address, i) => [i === 0 ? 'addresses' : '', address]),
    ['account', account_id ?? '-'],
    ['opted out', opted_out ? 'yes, of all email' : 'no'],
  ]);
  const rows = choices.map((choice) => [
    choice.event_time === null ? 'unknown' : shortTime(choice.event_time),
    aboutText(choice),
    choice.proven ? `${choice.act} (proven)` : choice.act,
    choice.counts ? 'counts' : 'no',
    WHY[choice.why],
    placeOf(choice),
    choice.source ?? '-',
  ]);
  const head = ['time (UTC)', 'newsletter', 'act', 'counts', 'why', 'made at', 'source'];
  return `${[...person, '', ...(rows.length > 0 ? listing(head, rows, columns) : ['No choices found.'])].join('\n')}\n`;
}
