/** Messages as their producers send them: account events in FxA's flat envelope, and newsletter events. */
import { randomBytes, randomUUID } from 'node:crypto';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';

export interface Sent {
  exchange: string;
  routingKey: string;
  body: Record<string, unknown>;
  /** What it is about, for people: at most 50 characters. */
  summary: string;
}

/** Begins an hour ago and advances a minute with each event. */
let time = Date.now() - 3_600_000;
const next = (): number => {
  time += 60_000;
  return time;
};

export const makeUid = (): string => randomBytes(16).toString('hex');
export const shortUid = (uid: string): string => `${uid.slice(0, 8)}…`;

function accountEvent(event: string, uid: string, summary: string, fields: Record<string, unknown> = {}): Sent {
  const timestamp = next();
  const common = { event, uid, iss: 'accounts.fxa.test', timestamp, ts: timestamp / 1_000, metricsContext: {} };
  return {
    exchange: FXA_EVENTS,
    routingKey: event.replace(':', '.'),
    body: { ...common, ...fields },
    summary,
  };
}

export const accountMade = (uid: string, email: string, made = 'A person creates an account'): Sent => {
  const fields = { email, locale: 'fr-FR,fr;q=0.9', service: 'sync', countryCode: 'FR' };
  return accountEvent('verified', uid, `${made}: ${email}`, fields);
};

export const primaryChanged = (uid: string, email: string, changes = 'The account has a new primary address'): Sent =>
  accountEvent('primaryEmailChanged', uid, `${changes}: ${email}`, { email });

/** FxA sends no address here. */
export const accountDeleted = (uid: string, deletes: string): Sent => accountEvent('delete', uid, deletes);

function newsletterEvent(event: string, email: string, verb: string, newsletters: string[]): Sent {
  const body = { event, id: randomUUID(), ts: next() / 1_000, email, newsletters };
  return {
    exchange: NEWSLETTER_EVENTS,
    routingKey: event,
    body: event === 'newsletter.subscribe' ? { ...body, lang: 'fr', country: 'fr', format: 'H', optin: false } : body,
    summary: `${email} ${verb} ${newsletters.join(', ')}`,
  };
}

export const signUp = (email: string, ...newsletters: string[]): Sent =>
  newsletterEvent('newsletter.subscribe', email, 'signs up for', newsletters);

export const unsubscribe = (email: string, ...newsletters: string[]): Sent =>
  newsletterEvent('newsletter.unsubscribe', email, 'unsubscribes from', newsletters);

/** Messages that cannot be understood, the first in part. */
export const faulty = (): Sent[] => {
  const partly = signUp('dora@mail.test', 'hacks');
  const addressless = signUp('dora@', 'hacks');
  return [
    { ...partly, body: { ...partly.body, newsletters: ['hacks', 7] }, summary: 'dora@mail.test signs up for hacks, 7' },
    addressless,
  ];
};
