/** Messages that must end in the dead letters, each with the reason that must be given; and some that are not for us. */

import type { DeadLetterReason } from '../../src/messages/incoming/decoded';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import type { Random } from '../random';
import type { Message } from './message';

const NOW = 1_750_000_000;

interface Bad {
  reason: DeadLetterReason;
  kind: string;
  to: 'fxa' | 'newsletter';
  content: (random: Random) => unknown;
}

const email = (random: Random): string => `${random.hex(8)}@rubbish.test`;
const uid = (random: Random): string => random.hex(32);

const KINDS: readonly (readonly [weight: number, bad: Bad])[] = [
  [3, { reason: 'not_json', kind: 'cut off', to: 'fxa', content: () => '{"event":"login","uid":"' }],
  [2, { reason: 'not_json', kind: 'empty', to: 'newsletter', content: () => '' }],
  [2, { reason: 'not_json', kind: 'a form', to: 'newsletter', content: () => 'email=a%40b.test&newsletters=x' }],
  [2, { reason: 'invalid_shape', kind: 'a list', to: 'fxa', content: () => [] }],
  [
    3,
    {
      reason: 'invalid_shape',
      kind: 'no uid',
      to: 'fxa',
      content: (random) => ({ event: 'login', email: email(random), ts: NOW }),
    },
  ],
  [
    2,
    {
      reason: 'invalid_shape',
      kind: 'names nothing to end',
      to: 'newsletter',
      content: (random) => ({ event: 'newsletter.unsubscribe', email: email(random), ts: NOW, newsletters: [] }),
    },
  ],
  [
    2,
    {
      reason: 'invalid_shape',
      kind: 'a text for a list',
      to: 'newsletter',
      content: (random) => ({ event: 'newsletter.subscribe', email: email(random), ts: NOW, newsletters: 'a,b' }),
    },
  ],
  [
    3,
    {
      reason: 'invalid_address',
      kind: 'a placeholder',
      to: 'newsletter',
      content: (random) => ({
        event: 'newsletter.subscribe',
        email: random.pick(['null@x.test', 'undefined', '[object Object]', 'a@b@c.test', '@x.test', 'plain']),
        ts: NOW,
      }),
    },
  ],
  [
    2,
    {
      reason: 'invalid_address',
      kind: 'no address',
      to: 'fxa',
      content: (random) => ({ event: 'verified', uid: uid(random), ts: NOW }),
    },
  ],
  [
    2,
    {
      reason: 'invalid_time',
      kind: 'milliseconds for seconds',
      to: 'fxa',
      content: (random) => ({ event: 'login', uid: uid(random), email: email(random), ts: NOW * 1000 }),
    },
  ],
  [
    2,
    {
      reason: 'invalid_time',
      kind: 'before 2010',
      to: 'newsletter',
      content: (random) => ({ event: 'newsletter.subscribe', email: email(random), ts: 1_000_000 }),
    },
  ],
  [
    3,
    {
      reason: 'unknown_token',
      kind: 'a token of nobody',
      to: 'newsletter',
      content: (random) => ({ event: 'newsletter.subscribe', token: random.uuid(), ts: NOW, newsletters: ['x'] }),
    },
  ],
  [
    1,
    {
      reason: 'too_large',
      kind: 'too large',
      to: 'newsletter',
      content: (random) => ({
        event: 'newsletter.subscribe',
        email: email(random),
        ts: NOW,
        padding: 'x'.repeat(300_000),
      }),
    },
  ],
];

export function rubbish(random: Random): Message {
  const { reason, kind, to, content } = random.weighted(KINDS);
  const made = content(random);
  return {
    id: random.uuid(),
    ...(to === 'fxa'
      ? { exchange: FXA_EVENTS, key: 'login' }
      : { exchange: NEWSLETTER_EVENTS, key: 'newsletter.subscribe' }),
    content: typeof made === 'string' ? made : JSON.stringify(made),
    is: 'rubbish',
    reason,
    kind: `${reason}: ${kind}`,
  };
}

export function ignored(random: Random): Message {
  const event = random.pick(['passwordChange', 'device:create', 'subscription:update', 'somethingNew']);
  const content = JSON.stringify({ event, uid: uid(random), ts: NOW });
  return { id: random.uuid(), exchange: FXA_EVENTS, key: event.replace(':', '.'), content, is: 'ignored', kind: event };
}
