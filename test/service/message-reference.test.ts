/** The message reference, used as a new user would: its examples are published, and its scripts run, on the whole service. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { GetMessage } from 'amqplib';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { NOTIFICATION_TYPES } from '../../src/messages/outgoing/notification-message';
import { DEAD_LETTERS, FXA_EVENTS, MAILER_QUEUE, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { parseCounters, sumOf } from '../../tools/prometheus';
import { silent, withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { type Command, type DocScripts, docScripts } from '../support/doc-scripts';
import { FETCH_MS } from '../support/programs';
import { eventually, get } from '../support/service';

const page = readFileSync(resolve(__dirname, '../../docs/reference/messages.md'), 'utf8');

interface Section {
  name: string;
  text: string;
}

/** The sections on messages below a heading. */
function sectionsOf(heading: string): Section[] {
  const [, chapter = ''] = page.split(`\n## ${heading}\n`);
  const [, ...sections] = (chapter.split('\n## ')[0] as string).split('\n### ');
  return sections.map((section) => ({ name: section.split('\n')[0] as string, text: section }));
}

const blocks = ({ text }: Section, language: string): string[] =>
  [...text.matchAll(new RegExp(`\\n\`\`\`${language}\\n(.*?)\\n\`\`\``, 'gs'))].map(([, block]) => block as string);
const examplesIn = (section: Section): unknown[] => blocks(section, 'json').map((block) => JSON.parse(block));
const headersIn = ({ text }: Section): Record<string, unknown> =>
  JSON.parse(/with the headers `(.*?)`:/.exec(text)?.[1] as string);

/** What differs each time, as its kind: ids that are made, and the time of now. */
function masked(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, each) => {
    if (NOW.has(key)) return '(now)';
    return typeof each === 'string' && MADE.test(each) && each !== EVENT_ID ? '(id)' : each;
  });
}

/** Uuids of the versions that OneContact makes, and hashes of events. */
const MADE = /^([0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64})$/;
/** Of the newsletter events in the scripts. */
const EVENT_ID = '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11';
const NOW = new Set([
  ...['merged_at', 'unmerged_at', 'changed_at', 'needed_at', 'deleted_at', 'closed_at', 'erased_at'],
  ...['first-seen', 'last-seen'],
]);

describe('the message reference', () => {
  const broker = withBroker();
  const ERASURE_KEY = 'a key for erasure in tests';
  let data: TestDatabase;
  let service: Service;
  let scripts: DocScripts;
  let received: GetMessage[];

  beforeAll(async () => {
    data = await freshDatabase();
    const settings = { NOTIFY_CHANGES: 'true', NOTIFY_CONFIRMATIONS: 'true', ERASURE_KEY };
    const urls = { AMQP_URL: broker().url, DATABASE_URL: data.url };
    const env = { ...urls, ...settings, HTTP_PORT: '0', LOG_LEVEL: 'silent' };
    service = await startService(readConfig(env, SERVICE_NEEDS), { log: silent });
    scripts = await docScripts({ publish, onecontact: operate });
  }, FETCH_MS);
  afterAll(async () => {
    scripts?.close();
    await service?.stop();
    await data?.drop();
  });
  beforeEach(async () => {
    received = [];
    await data.sql(
      `TRUNCATE contact, email_address, account, address_claim, choice, basket_token, merge, claim_block, outbox,
         outbox_changes, erasure, audit`,
    );
    const channel = await broker().channel();
    await channel.purgeQueue(MAILER_QUEUE);
    await channel.close();
  });

  const handled = async (): Promise<number> =>
    sumOf(parseCounters((await get(service, '/metrics')).text), 'onecontact_messages_total');

  /** Publishes a message, and waits until the service has handled it. */
  async function send(exchange: string, body: string, headers: Record<string, unknown> = {}): Promise<void> {
    const before = await handled();
    await broker().send(exchange, 'example', [body], { headers });
    await eventually(handled, (count) => count > before);
  }

  /** The next message to the mailer of a type; others are kept. */
  async function next(type: string): Promise<GetMessage> {
    for (;;) {
      const found = received.findIndex(({ fields }) => fields.routingKey === type);
      if (found >= 0) return received.splice(found, 1)[0] as GetMessage;
      received.push(await broker().next(MAILER_QUEUE));
    }
  }

  const publish: Command = async (...words) => {
    const [exchange, body, ...headers] = words as [string, string, ...string[]];
    await send(exchange, body, Object.fromEntries(headers.map((header) => header.split('='))));
    return '';
  };
  const operate: Command = async (...words) => {
    const id = words.includes('$MERGE_ID') ? JSON.parse(String((await next('contact.merged')).content)).merge_id : '';
    const args = words.map((word) => (word === '$MERGE_ID' ? id : word));
    const env = { DATABASE_URL: data.url, ERASURE_KEY, NOTIFY_CHANGES: 'true', OPERATOR: 'grace' };
    const { code, out, err } = await onecontact(args, env);
    if (code !== 0) throw new Error(err);
    return out;
  };

  it.each([...sectionsOf('Account events in'), ...sectionsOf('Newsletter events in')])(
    'the service understands the examples of $name',
    async (section) => {
      const counters = async () => parseCounters((await get(service, '/metrics')).text);
      const failed = async (): Promise<number> => {
        const all = await counters();
        return ['dead', 'retry'].reduce(
          (sum, outcome) => sum + sumOf(all, 'onecontact_messages_total', { outcome }),
          0,
        );
      };
      const before = await failed();
      const exchange = section.name.startsWith('newsletter.') ? NEWSLETTER_EVENTS : FXA_EVENTS;
      const examples = examplesIn(section);
      expect(examples.length).toBeGreaterThan(0);
      await addTokenOf(section);
      for (const example of examples) await send(exchange, JSON.stringify(example));
      expect(await failed()).toBe(before);
    },
  );

  /** A sign-up whose token is that of the examples. */
  async function addTokenOf(section: Section): Promise<void> {
    const [, token] = /"token": "([0-9a-f-]+)"/.exec(section.text) ?? [];
    if (token === undefined) return;
    const signUp = {
      event: 'newsletter.subscribe',
      ts: 1769000000,
      email: 'Ada.L@mail.test',
      newsletters: ['privacy-weekly'],
    };
    await send(NEWSLETTER_EVENTS, JSON.stringify(signUp));
    await data.sql('UPDATE basket_token SET token = $1', [token]);
  }

  it('has a script for every message out', () => {
    const sections = sectionsOf('Messages out');
    expect(sections.map(({ name }) => name).sort()).toEqual([...NOTIFICATION_TYPES].sort());
    for (const section of sections) expect([section.name, blocks(section, 'sh').length]).toEqual([section.name, 1]);
  });

  it.each(sectionsOf('Messages out'))('the script of $name leads to the message of its example', async (section) => {
    await scripts.run(blocks(section, 'sh')[0] as string, { MERGE_ID: '$MERGE_ID' });
    const [example] = examplesIn(section);
    let { content, properties } = await next(section.name);
    // A contact that is new is told, too.
    if (section.name === 'contact.changed') ({ content, properties } = await next(section.name));
    expect(masked(JSON.parse(String(content)))).toEqual(masked(example));
    expect(properties.headers).toEqual(headersIn(section));
  });

  it('the example of a dead letter is dead-lettered with the headers of the page', async () => {
    const [section] = sectionsOf('Dead letters') as [Section];
    const [example] = examplesIn(section);
    await send(FXA_EVENTS, JSON.stringify(example));
    const { content, properties } = await broker().next(DEAD_LETTERS);
    expect(JSON.parse(String(content))).toEqual(example);
    expect(masked(properties.headers)).toEqual(masked(headersIn(section)));
  });
});
