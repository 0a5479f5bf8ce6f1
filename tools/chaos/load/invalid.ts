/** Messages that become dead letters, with the expected reason, and messages to ignore. */
import type { DeadLetterReason } from '../../../src/messages/incoming/decoded';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import { nestedHeaders } from '../../nested-headers';
import type { Random } from '../../random';
import type { Message } from './message';

const ts = 1_750_000_000;
const UNSUBSCRIBE = 'newsletter.unsubscribe';
const PLACEHOLDERS = ['null@x.test', 'undefined', '[object Object]', 'a@b@c.test', '@x.test', 'plain'];

type Invalid = Pick<Message, 'exchange' | 'key' | 'content' | 'headers'> & { reason: DeadLetterReason };

const email = (random: Random): string => `${random.hex(8)}@rubbish.test`;
const uid = (random: Random): string => random.hex(32);

const fxa = (reason: DeadLetterReason, content: string): Invalid => {
  return { reason, exchange: FXA_EVENTS, key: 'login', content };
};
const account = (reason: DeadLetterReason, body: object): Invalid => fxa(reason, JSON.stringify(body));
const site = (reason: DeadLetterReason, content: string): Invalid => {
  return { reason, exchange: NEWSLETTER_EVENTS, key: 'newsletter.subscribe', content };
};
const newsletter = (reason: DeadLetterReason, fields: object): Invalid =>
  site(reason, JSON.stringify({ event: 'newsletter.subscribe', ts, ...fields }));

/** Converting it to text or to a number throws. */
const NOT_A_TEXT = { toString: 1, valueOf: 1 };

/** Stands for JSON with thousands of levels, for which `JSON.stringify` would overflow the stack. */
const DEEP = 'deep';
const deepened = (message: Invalid, random: Random): Invalid => {
  const levels = 10_000 + random.below(30_000); // within the limit in bytes
  const value = random.pick([
    `${'['.repeat(levels)}${']'.repeat(levels)}`,
    `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`,
  ]);
  return { ...message, content: message.content.replace(`"${DEEP}"`, value) };
};

const KINDS: readonly (readonly [weight: number, make: (random: Random) => Invalid])[] = [
  [3, () => fxa('not_json', '{"event":"login","uid":"')],
  [2, () => site('not_json', '')],
  [2, () => site('not_json', 'email=a%40b.test&newsletters=x')],
  [2, () => account('invalid_shape', [])],
  [3, (random) => account('invalid_shape', { event: 'login', email: email(random), ts })],
  [2, (random) => newsletter('invalid_shape', { event: UNSUBSCRIBE, email: email(random), newsletters: [] })],
  [2, (random) => newsletter('invalid_shape', { email: email(random), newsletters: 'a,b' })],
  [3, (random) => newsletter('invalid_address', { email: random.pick(PLACEHOLDERS) })],
  [2, (random) => account('invalid_address', { event: 'verified', uid: uid(random), ts })],
  [2, (random) => account('invalid_time', { event: 'login', uid: uid(random), email: email(random), ts: ts * 1000 })],
  [2, (random) => newsletter('invalid_time', { email: email(random), ts: 1_000_000 })],
  [3, (random) => newsletter('unknown_token', { token: random.uuid(), newsletters: ['x'] })],
  [1, (random) => newsletter('unknown_event', { event: 'newsletter.recover', email: email(random), newsletters: [] })],
  [1, (random) => newsletter('invalid_address', { email: `"${random.hex(8)}"@rubbish.test` })],
  [
    1,
    (random) => newsletter('invalid_address', { event: UNSUBSCRIBE, email: `(${random.hex(8)})a@b.test`, all: true }),
  ],
  [1, () => account('invalid_shape', { event: 'login', uid: { toString: 1, valueOf: 1 }, ts })],
  [1, () => fxa('invalid_shape', JSON.stringify({ Message: `${'['.repeat(50_000)}${']'.repeat(50_000)}` }))],
  [1, () => site('invalid_shape', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`)],
  [1, (random) => newsletter('too_large', { email: email(random), padding: 'x'.repeat(300_000) })],
  [1, () => fxa('too_large', 'x'.repeat(2_000_000))],
  [1, (random) => account('invalid_shape', { event: 'login', uid: NOT_A_TEXT, email: email(random), ts })],
  [1, (random) => newsletter('invalid_shape', { email: email(random), ts: NOT_A_TEXT })],
  [1, (random) => deepened(account('invalid_shape', { event: 'delete', uid: DEEP, ts }), random)],
  [1, (random) => deepened(newsletter('invalid_shape', { email: email(random), newsletters: DEEP }), random)],
  [2, (random) => ({ ...site('not_json', 'nested headers'), headers: nestedHeaders(random) })],
];

export function invalidMessage(random: Random): Message {
  const message = random.weighted(KINDS)(random);
  return { id: random.uuid(), ...message, is: 'invalid', kind: message.reason };
}

export function ignoredMessage(random: Random): Message {
  const event = random.pick(['passwordChange', 'device:create', 'subscription:update', 'somethingNew']);
  const content = JSON.stringify({ event, uid: uid(random), ts });
  return { id: random.uuid(), exchange: FXA_EVENTS, key: event.replace(':', '.'), content, is: 'ignored', kind: event };
}
