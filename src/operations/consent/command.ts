import type { Command } from 'commander';
import type { Choice } from '../../contacts/facts/facts';
import { newsletterOf } from '../../contacts/facts/later-reason';
import { isPseudonym } from '../../contacts/facts/pseudonym';
import { consentOf, type Why } from '../../contacts/profile/consent';
import { contactView } from '../../contacts/profile/contact-view';
import { OperatorError } from '../../foundation/operator-error';
import { knownTime } from '../../messages/outgoing/contact-body';
import type { StoredChoice } from '../../postgres/tables/choice';
import { addressFrom } from '../arguments';
import type { Context } from '../context';
import { makePace, makeProgress } from '../progress';
import { number, table } from '../render';
import { withDatabase } from '../servers';
import { type FoundPerson, findPerson, readWholeLedger } from './store';

/** Why a choice counts or not, for people. */
const WHY: Record<Why, string> = {
  decides: 'the latest about its newsletter',
  stands: 'the opt-out in force',
  ends: 'what it ended, or kept from beginning, stays so',
  lifts: 'the proof that lifted the opt-out',
  confirms: 'a proven confirmation',
  superseded: 'there is a later one',
  explains: 'the reason given for a refusal',
  explains_nothing: 'no refusal came before it',
  refuses_nothing: 'nothing that it refuses is known',
  refusal_wins: 'refused at the same time',
  ended_by_opt_out: 'ended by an opt-out',
  unproven_while_opted_out: 'made while opted out, without proof',
  unproven: 'a confirmation without proof',
  lifted: 'lifted by a later proof',
  not_their_period: 'in a period of another account',
  account_deleted: 'the account was deleted',
};

export function addConsent(program: Command, context: Context): void {
  const command = program
    .command('consent')
    .description('Show every choice that is known of a person, whether it counts, and why; or the whole consent ledger')
    .argument('[email]', 'any address of the person')
    .option('--all', 'instead of a person: every choice of everyone, one JSON object a line, without whether it counts')
    .option('--json', 'for machines, and for an answer to the person: also language, format, reason and fields')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Exits with 1 when the address is unknown. What others chose before at an address of this person is
shown without its source, language, format, reason and fields. With --json, "why" is one of:
${table(Object.entries(WHY).map(([why, meaning]) => [`  ${why}`, meaning])).join('\n')}

--all is for a warehouse: all lines are of one moment, and "contact_id" is the contact that has the address or account now, to
join with \`onecontact export\`. "newsletter" is empty for all email, and null for a set ("exactly these newsletters"), whose
"refused" has what it refuses: "only" some, or "all_but" some. What is left of erased people has no origin. Progress goes to
stderr.

Examples:
  $ onecontact consent ada@mail.test
  $ onecontact consent --all | gzip > consent.ndjson.gz
  $ onecontact consent --json ada@mail.test > consent.json`,
    )
    .action(async (text: string | undefined, { json, all }: { json?: true; all?: true }) => {
      if ((text === undefined) !== (all ?? false)) command.error('error: name an address, or --all, and not both');
      if (text === undefined) return printLedger(context);
      const { key } = addressFrom(command, text);
      return withDatabase(context.env, async (db) => {
        const found = await findPerson(db, key);
        if (!found) throw new OperatorError('Nothing is known of this address.');
        const body = consentBody(found);
        await context.answer({ json }, body, () => textOf(body));
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

/** A set is about the newsletters that it refuses, so it names none. */
const choiceBody = <C extends Pick<Choice, 'act' | 'newsletter' | 'fields'>>(choice: C) => ({
  ...choice,
  newsletter: newsletterOf(choice),
  fields: fieldsBody(choice.fields),
});

const fieldsBody = (fields: string | null) =>
  fields === null ? null : (JSON.parse(fields) as Record<string, unknown>);

/** The keys of the person are those of a look-up; the keys of a choice are those of the model. */
function consentBody({ contactId, person, facts }: FoundPerson) {
  const view = contactView(facts, person);
  return {
    contact_id: contactId,
    addresses: view.addresses,
    account_id: view.account,
    opted_out: view.optedOut,
    newsletters: Object.fromEntries(
      [...view.newsletters].map(([name, { state, since }]) => [name, { state, since: knownTime(since) }]),
    ),
    choices: consentOf(facts, person).map(({ at, origin, ...entry }) => ({
      event_time: knownTime(at),
      origin: origin && isPseudonym(origin.key) ? null : origin,
      ...choiceBody(entry),
    })),
  };
}

type ConsentBody = ReturnType<typeof consentBody>;

function textOf({ contact_id, addresses, account_id, opted_out, choices }: ConsentBody): string {
  const person = table([
    ['contact', contact_id],
    ...addresses.map((address, i) => [i === 0 ? 'addresses' : '', address]),
    ['account', account_id ?? '-'],
    ['opted out', opted_out ? 'yes, of all email' : 'no'],
  ]);
  const rows = choices.map((choice) => [
    choice.event_time ?? 'unknown',
    aboutText(choice),
    choice.proven ? `${choice.act} (proven)` : choice.act,
    choice.counts ? 'counts' : 'no',
    WHY[choice.why],
    placeOf(choice),
    choice.source ?? '-',
  ]);
  const ledger = table([['time', 'newsletter', 'act', 'counts', 'why', 'made at', 'source'], ...rows]);
  return `${[...person, '', ...(rows.length > 0 ? ledger : ['No choice is known.'])].join('\n')}\n`;
}

function aboutText({ newsletter, refused }: ConsentBody['choices'][number]): string {
  if (!refused) return newsletter || 'all email';
  if ('only' in refused) return refused.only.join(', ');
  return refused.all_but.length > 0 ? `all but ${refused.all_but.join(', ')}` : 'all newsletters';
}

function placeOf({ origin, via }: ConsentBody['choices'][number]): string {
  const place = origin?.key ?? (via === 'undone_merge' ? 'another contact' : 'an erased address');
  if (via === 'undone_merge') return `${place}, while merged`;
  return via === 'predecessor' ? `${place}, of a deleted account` : place;
}
