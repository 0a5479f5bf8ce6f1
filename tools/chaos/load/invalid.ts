/** Messages that become dead letters, with the expected reason, and messages to ignore. */
import type { DeadLetterReason } from '../../../src/messages/incoming/decode';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import type { Random } from '../../random';
import type { Message } from './message';

const ts = 1_750_000_000;
const PLACEHOLDERS = ['null@x.test', 'undefined', '[object Object]', 'a@b@c.test', '@x.test', 'plain'];

interface Invalid {
  reason: DeadLetterReason;
  kind: string;
  exchange: typeof FXA_EVENTS | typeof NEWSLETTER_EVENTS;
  contentOf: (random: Random) => string;
}

const email = (random: Random): string => `${random.hex(8)}@rubbish.test`;
const uid = (random: Random): string => random.hex(32);

function account(reason: DeadLetterReason, kind: string, bodyOf: (random: Random) => object): Invalid {
  const contentOf = (random: Random): string => JSON.stringify(bodyOf(random));
  return { reason, kind, exchange: FXA_EVENTS, contentOf };
}
function newsletter(reason: DeadLetterReason, kind: string, fieldsOf: (random: Random) => object): Invalid {
  const contentOf = (random: Random): string =>
    JSON.stringify({ event: 'newsletter.subscribe', ts, ...fieldsOf(random) });
  return { reason, kind, exchange: NEWSLETTER_EVENTS, contentOf };
}
function notJson(kind: string, exchange: Invalid['exchange'], content: string): Invalid {
  return { reason: 'not_json', kind, exchange, contentOf: () => content };
}

const KINDS: readonly (readonly [weight: number, kind: Invalid])[] = [
  [3, notJson('cut off', FXA_EVENTS, '{"event":"login","uid":"')],
  [2, notJson('empty', NEWSLETTER_EVENTS, '')],
  [2, notJson('a form', NEWSLETTER_EVENTS, 'email=a%40b.test&newsletters=x')],
  [2, account('invalid_shape', 'a list', () => [])],
  [3, account('invalid_shape', 'no uid', (random) => ({ event: 'login', email: email(random), ts }))],
  [
    2,
    newsletter('invalid_shape', 'names nothing to end', (random) => {
      return { event: 'newsletter.unsubscribe', email: email(random), newsletters: [] };
    }),
  ],
  [2, newsletter('invalid_shape', 'a text for a list', (random) => ({ email: email(random), newsletters: 'a,b' }))],
  [3, newsletter('invalid_address', 'a placeholder', (random) => ({ email: random.pick(PLACEHOLDERS) }))],
  [2, account('invalid_address', 'no address', (random) => ({ event: 'verified', uid: uid(random), ts }))],
  [
    2,
    account('invalid_time', 'milliseconds for seconds', (random) => {
      return { event: 'login', uid: uid(random), email: email(random), ts: ts * 1000 };
    }),
  ],
  [2, newsletter('invalid_time', 'before 2010', (random) => ({ email: email(random), ts: 1_000_000 }))],
  [3, newsletter('unknown_token', 'unknown token', (random) => ({ token: random.uuid(), newsletters: ['x'] }))],
  [1, newsletter('too_large', 'too large', (random) => ({ email: email(random), padding: 'x'.repeat(300_000) }))],
];

export function invalidMessage(random: Random): Message {
  const { reason, kind, exchange, contentOf } = random.weighted(KINDS);
  const content = contentOf(random);
  const key = exchange === FXA_EVENTS ? 'login' : 'newsletter.subscribe';
  return { id: random.uuid(), exchange, key, content, is: 'invalid', reason, kind: `${reason}: ${kind}` };
}

export function ignoredMessage(random: Random): Message {
  const event = random.pick(['passwordChange', 'device:create', 'subscription:update', 'somethingNew']);
  const content = JSON.stringify({ event, uid: uid(random), ts });
  return { id: random.uuid(), exchange: FXA_EVENTS, key: event.replace(':', '.'), content, is: 'ignored', kind: event };
}
