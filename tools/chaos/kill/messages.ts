/** The messages of the tasks: people whose records collide in different ways. They are the same in every run. */
import type { DeadLetterReason } from '../../../src/messages/incoming/decoded';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import type { Message } from '../load/message';

const EPOCH = Date.UTC(2024, 0, 1);
type Body = Record<string, unknown>;

const uidOf = (name: string): string => Buffer.from(name).toString('hex').padStart(32, '0');
const email = (name: string): string => `${name}@kill.test`;
const secondsAt = (minute: number): number => EPOCH / 1000 + 60 * minute;

let made = 0;
function message(exchange: string, key: string, body: Body | string): Message {
  const id = `00000000-0000-4000-8000-${String(++made).padStart(12, '0')}`;
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  return { id, exchange, key: key.replace(':', '.'), content, is: 'event', kind: key };
}

const account = (event: string, user: string, minute: number, fields: Body = {}): Message =>
  message(FXA_EVENTS, event, { event, uid: uidOf(user), ts: secondsAt(minute), ...fields });
const verified = (user: string, address: string, minute: number, fields: Body = {}): Message =>
  account('verified', user, minute, { email: email(address), ...fields });
const primary = (user: string, address: string, minute: number): Message =>
  account('primaryEmailChanged', user, minute, { email: email(address) });

const newsletter = (what: string, address: string, minute: number, fields: Body = {}): Message => {
  const event = `newsletter.${what}`;
  return message(NEWSLETTER_EVENTS, event, { event, email: email(address), ts: secondsAt(minute), ...fields });
};
const signUp = (address: string, newsletters: string[], minute: number, fields: Body = {}): Message =>
  newsletter('subscribe', address, minute, { newsletters, source_url: 'https://site.test/', ...fields });

const invalid = (reason: DeadLetterReason, { exchange, key, content }: Message): Message => ({
  ...message(exchange, key, content),
  is: 'invalid',
  reason,
});

/** Handled before anything is killed, list by list. */
export const EARLIER: readonly (readonly Message[])[] = [
  [
    signUp('ann-new', ['privacy-weekly', 'x'], 3, { first_name: 'Ann', lang: 'fr', optin: true }),
    signUp('chain', ['developer-news'], 1, { country: 'de' }),
    signUp('chain-end', ['about-us'], 2),
    signUp('anew', ['privacy-weekly'], 2),
    newsletter('unsubscribe', 'anew', 3, { all: true }),
    signUp('lone', ['x', 'developer-news'], 2, { format: 'T' }),
  ],
  [
    verified('ann', 'ann', 1, { locale: 'de-AT,de;q=0.7' }),
    verified('first', 'first', 1),
    verified('thief', 'first', 2),
    verified('end', 'chain-end', 1, { newsletters: ['in-account'] }),
    verified('old', 'anew', 1),
    verified('left', 'left', 1),
    verified('right', 'right', 1),
  ],
  // The account's contact now has a merged contact: a chain of merges begins.
  [primary('first', 'chain', 3)],
];

/** One batch of account events. */
export const ACCOUNTS: readonly Message[] = [
  verified('zoe', 'zoe', 5, { newsletters: ['privacy-weekly'], locale: 'en-US', service: 'sync' }),
  primary('ann', 'ann-new', 5), // the workflow "sign-up first"
  account('delete', 'first', 4),
  primary('end', 'chain', 6), // the chain's contact is merged again
  account('delete', 'old', 5),
  verified('new', 'anew', 7, { countryCode: 'CA' }), // an account created again
  primary('left', 'right', 8), // two accounts swap addresses
  primary('right', 'left', 8),
  account('newsletters:update', 'zoe', 6, { email: email('zoe'), newsletters: ['x'], locale: 'de' }),
  { ...account('passwordChange', 'zoe', 7), is: 'ignored' },
  invalid('not_json', message(FXA_EVENTS, 'login', '{"event":"login","uid":"')),
  account('login', 'ann', 9, { email: email('ann-new') }),
  verified('late', 'lone', 9),
];

/** One batch of newsletter events. */
export const SIGN_UPS: readonly Message[] = [
  signUp('new', ['x'], 4, { first_name: 'Nia', country: 'fr' }),
  signUp('ann-new', ['developer-news'], 6, { last_name: 'L', lang: null }),
  signUp('new', ['privacy-weekly'], 5, { optin: true }),
  newsletter('unsubscribe', 'lone', 6, { newsletters: ['x'], reason: 'too many' }),
  newsletter('unsubscribe', 'ann', 7, { all: true }),
  newsletter('confirm', 'anew', 8),
  newsletter('unsubscribe', 'nobody', 8, { all: true }),
  invalid('invalid_address', signUp('a@b', ['x'], 4)),
  // Detected only with the database.
  invalid(
    'unknown_token',
    message(NEWSLETTER_EVENTS, 'newsletter.subscribe', {
      event: 'newsletter.subscribe',
      token: '7b0e2f3c-5a7d-4c1e-9a51-000000000000',
      ts: secondsAt(5),
      newsletters: ['x'],
    }),
  ),
  signUp('second', ['about-us'], 9),
];
