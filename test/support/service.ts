/** Runs the whole service in this process, on the test's broker and a database of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readConfig, SERVICE_NEEDS, type ServiceConfig } from '../../src/config';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type Service, startService } from '../../src/main';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { silent, type TestBroker } from './broker';
import type { TestDatabase } from './database';

/** The default configuration, silent, on any free port. */
export const config = (urls: { amqpUrl: string; databaseUrl: string }): ServiceConfig =>
  readConfig(
    { AMQP_URL: urls.amqpUrl, DATABASE_URL: urls.databaseUrl, HTTP_PORT: '0', LOG_LEVEL: 'silent' },
    SERVICE_NEEDS,
  );

export function startOn(broker: TestBroker, database: TestDatabase, log: Logger = silent): Promise<Service> {
  return startService(config({ amqpUrl: broker.url, databaseUrl: database.url }), { log });
}

/** The message that a producer sends for an event. */
export function messageOf(event: ContactEvent): { exchange: string; key: string; body: Record<string, unknown> } {
  const ts = event.at / 1000;
  if (event.kind !== 'newsletter') {
    const name = event.kind === 'deletion' ? 'delete' : event.trigger.event;
    const { uid } = event;
    const claim =
      event.kind === 'claim' ? { email: event.address.typed, newsletters: event.newsletters, locale: null } : {};
    return { exchange: FXA_EVENTS, key: name.replace(':', '.'), body: { event: name, uid, ts, ...claim } };
  }
  const { act, to, newsletters, proven, profile } = event;
  const name =
    act === 'confirm' ? 'newsletter.confirm' : act === 'subscribe' ? 'newsletter.subscribe' : 'newsletter.unsubscribe';
  const where = 'token' in to ? { token: to.token } : { email: to.address.typed };
  const what = act === 'opt_out' ? { all: true } : act === 'confirm' ? {} : { newsletters };
  const fields = { first_name: profile.firstName, last_name: profile.lastName, lang: profile.lang };
  return {
    exchange: NEWSLETTER_EVENTS,
    key: name,
    body: { event: name, ts, ...where, ...what, ...fields, optin: proven },
  };
}

export async function publish(broker: TestBroker, ...events: ContactEvent[]): Promise<void> {
  for (const event of events) {
    const { exchange, key, body } = messageOf(event);
    await broker.send(exchange, key, [JSON.stringify(body)]);
  }
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
  text: string;
}

export async function get(service: Service, path: string): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`);
  const text = await response.text();
  return {
    status: response.status,
    text,
    body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** Asks until an answer is wanted; fails with the last answer. */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  limitMs = 40_000,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > end) throw new Error(`no wanted answer within ${limitMs} ms: ${JSON.stringify(answer)}`);
    await delay(20);
  }
}
