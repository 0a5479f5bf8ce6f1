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
import { listing, number, shortTime, table } from '../render';
import { withDatabase } from '../servers';
import { type FoundPerson, findPerson, readWholeLedger } from './store';

/** Why a choice counts or not, for people. */
const WHY: Record<Why, string> = {
  decides: 'latest choice for this newsletter',
  stands: 'opt-out in force',
  ends: 'opt-out whose effect on newsletters lasts',
  lifts: 'proof that lifted the opt-out',
  confirms: 'proven confirmation',
  superseded: 'superseded by a later choice',
  explains: 'reason given for a refusal',
  explains_nothing: 'no refusal came before this reason',
  refuses_nothing: 'nothing that it refuses is known',
  refusal_wins: 'an opt-out or unsubscribe at the same time wins',
  ended_by_opt_out: 'ended by an opt-out',
  unproven_while_opted_out: 'made while opted out, without proof',
  unproven: 'confirmation without proof',
  lifted: 'lifted by a later proof',
  not_their_period: "made in another account's ownership period",
  account_deleted: 'the account was deleted',
};

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

/** A set is about all the newsletters that it refuses, so it has no single newsletter. */
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
