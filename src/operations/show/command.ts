import type { Command } from 'commander';
import { OperatorError } from '../../foundation/operator-error';
import { contactBody } from '../../messages/outgoing/contact-body';
import type { ContactBody, NewsletterBody } from '../../messages/outgoing/contact-schema';
import type { Context } from '../context';
import { fields, shortTime, shortTimeUtc, table } from '../render';
import { withDatabase } from '../servers';
import { findFirst, keysOf } from './run';

export function addShow(program: Command, context: Context): void {
  const command = program
    .command('show')
    .description('Look up a contact by email address, token, account uid or contact id')
    .argument('<key>', 'an email address, a basket token, an account uid or a contact id')
    .option('--json', 'print JSON, as the HTTP API answers')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Exits with 1 when the key is unknown or retired.

Examples:
  $ onecontact show ada@mail.test
  $ onecontact show 9f3c1a7be2d84c06b5a1e0774cd2f8aa
  $ onecontact show --json 0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11`,
    )
    .action(async (text: string, { json }: { json?: true }) => {
      const keys = keysOf(text);
      if (keys.length === 0)
        command.error('error: the key must be an email address, a token, an account uid or a contact id');
      await withDatabase(context.env, async (db) => {
        const found = await findFirst(db, keys);
        if (!found) throw new OperatorError('No contact found.');
        const body = contactBody(found);
        await context.answer({ json }, body, () => textOf(body));
      });
    });
}

/** `primary`, `verified`, both or neither. */
const flagsOf = ({ primary, verified }: { primary: boolean; verified: boolean }): string[] => [
  [...(primary ? ['primary'] : []), ...(verified ? ['verified'] : [])].join(', '),
];

function textOf(body: ContactBody): string {
  // Sorted here, because an object lists keys that look like numbers first.
  const newsletters = Object.entries(body.newsletters).sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = fields([
    ['contact', `${body.contact_id}  version ${body.version}`],
    ['token', body.basket_token],
    ['addresses', table(body.emails.map(({ address, ...flags }) => [address, ...flagsOf(flags)]))],
    ['account', accountOf(body)],
    ['name', [body.first_name, body.last_name].filter((part) => part !== null).join(' ') || null],
    ['language', body.lang],
    ['country', body.country],
    ['format', body.format],
    ['opted out', optOutOf(body)],
    ['double opt-in', body.double_opt_in ? 'yes' : 'no'],
    ['mailable', body.mailable ? 'yes' : 'no'],
    ['created', shortTimeUtc(body.created_at)],
    ['updated', body.updated_at && shortTimeUtc(body.updated_at)],
    ['newsletters', table(newsletters.map(([name, newsletter]) => [name, ...cellsOf(newsletter)]))],
  ]);
  return `${lines.join('\n')}\n`;
}

function accountOf({ account_id, account_profile }: ContactBody): string | null {
  const { created_at = null, first_service = null, locale = null } = account_profile ?? {};
  const details = [
    created_at && `created ${shortTime(created_at)}`,
    first_service && `first used for ${first_service}`,
    locale,
  ];
  return account_id && [account_id, ...details].filter((part) => part !== null).join('  ');
}

function optOutOf({ opted_out, opted_out_at, opt_out_reason }: ContactBody): string {
  if (!opted_out) return 'no';
  return ['yes, of all email', opted_out_at && `since ${shortTime(opted_out_at)}`, opt_out_reason]
    .filter((part) => part !== null)
    .join('  ');
}

/** The state and the details of the latest choice. */
function cellsOf({ state, since, pending, source, lang, format, reason, fields }: NewsletterBody): string[] {
  const asked = Object.entries(fields ?? {}).map(([field, value]) => `${field}: ${value}`);
  const details = [pending ? 'awaiting confirmation' : null, source, lang, format, reason, ...asked];
  return [
    state.padEnd(12),
    `since ${since === null ? '-' : shortTime(since)}`,
    details.filter((detail) => detail !== null).join('  '),
  ];
}
