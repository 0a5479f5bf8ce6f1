/** The example mailer as a process, on a real broker, database and SMTP server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SMTPServer } from 'smtp-server';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../src/rabbitmq/names';
import { CONTACT_MESSAGES } from '../../tools/contracts/catalogue';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';

const CHECKOUT = resolve(__dirname, '../..');
const broker = withBroker();
const id = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

interface Received {
  to: string | undefined;
  /** The number of the message, and of its mail. */
  nr: string | undefined;
  raw: string;
}

let database: TestDatabase;
let smtp: SMTPServer;
let received: Received[];
/** Whether the mail server refuses our sender. */
let isStranger: boolean;
/** What the mail server answers; undefined takes the mail. */
let answer: (mail: Received) => Promise<Error | undefined>;
let child: ChildProcess;
let log: string;

beforeEach(async () => {
  // The mailer of the test before was killed: the queue may still get back a message that was handled, but not acknowledged.
  await broker().freshTopology();
  database = await freshDatabase({ migrated: false });
  [received, log, isStranger] = [[], '', false];
  answer = async () => undefined;
  smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onMailFrom: (_address, _session, callback) =>
      callback(isStranger ? Object.assign(new Error('who are you'), { responseCode: 550 }) : null),
    onData: (stream, session, callback) => {
      text(stream).then(async (raw) => {
        const nr = /^Message-ID: <.*?0*(\d+\.\d)@site\.test>/im.exec(raw)?.[1];
        const mail = { to: session.envelope.rcptTo[0]?.address, nr, raw };
        const refusal = await answer(mail);
        if (!refusal) received.push(mail);
        callback(refusal ?? null);
      }, callback);
    },
  });
  smtp.on('error', () => undefined); // a killed mailer
  await new Promise<void>((listening) => void smtp.listen(0, '127.0.0.1', listening));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await new Promise<void>((closed) => smtp.close(() => closed()));
  await database.drop();
});

function start(): void {
  const { port } = smtp.server.address() as AddressInfo;
  child = spawn(process.execPath, ['tools/run.mjs', 'script', 'examples/mailer/main.ts'], {
    cwd: CHECKOUT,
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME },
      ...{ AMQP_URL: broker().url, DATABASE_URL: database.url, SMTP_URL: `smtp://127.0.0.1:${port}` },
      ...{ MAIL_FROM: 'news@site.test', STAFF: 'staff@site.test', PREFERENCES: 'https://site.test/preferences/' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
}
async function stop(signal: NodeJS.Signals): Promise<unknown[]> {
  child.kill(signal);
  return once(child, 'exit');
}
const handled = async (n: number): Promise<boolean> =>
  (await database.sql("SELECT to_regclass('handled_message') IS NOT NULL AS known"))[0]?.known === true &&
  (await database.sql('SELECT FROM handled_message WHERE message_id = $1 AND done', [id(n)])).length === 1;
const told = (): string[] => received.map(({ to, nr }) => `${nr} ${to}`);

/** The published example, of a contact of its own. */
function exampleOf(type: string, contact: number): Record<string, unknown> {
  const { payload } = CONTACT_MESSAGES.find(({ name }) => name === type)?.examples[0] ?? {};
  return JSON.parse(JSON.stringify(payload).replaceAll('019be0a0-2222-7333-8444-555555555555', id(1_000 + contact)));
}

/** Publishes a message as the relay does. */
const publish = (n: number, type: string, body: unknown, version = 2) =>
  broker().send(CONTACT_EVENTS, type, [typeof body === 'string' ? body : JSON.stringify(body)], {
    ...{ type, messageId: id(n), persistent: true },
    headers: { 'schema-version': String(version) },
  });

describe('the example mailer', () => {
  it('mails once for each message, however often it is delivered, and acknowledges what it does not mail', async () => {
    for (const [n, { name }] of CONTACT_MESSAGES.entries()) {
      for (let i = 0; i < 2; i++) await publish(n, name, exampleOf(name, n));
    }
    await publish(20, 'contact.invented_later', { anything: true });
    await publish(22, 'contact.merged', 'not JSON');
    await broker().send('', MAILER_QUEUE, ['{}'], { type: 'contact.merged' });
    await publish(21, 'contact.review_needed', exampleOf('contact.review_needed', 21));
    start();
    await until(() => handled(21));
    expect(await stop('SIGTERM')).toEqual([0, null]);
    expect(told()).toEqual([
      '0.0 New.Name@mail.test',
      '1.0 Ada.L@mail.test',
      '2.0 New.Name@mail.test',
      '2.1 Ada.L@mail.test',
      '3.0 staff@site.test',
      '21.0 staff@site.test',
    ]);
    expect(await broker().ready(MAILER_QUEUE)).toBe(0);
    expect(log).not.toMatch(/mail\.test|4c7a1d52|Ada/);
  });

  it('tells a merge and its new address in one mail, in both schema versions', async () => {
    await publish(1, 'contact.merged', exampleOf('contact.merged', 1));
    const changed = { ...exampleOf('contact.email_changed', 1), former_addresses: [] };
    await publish(2, 'contact.email_changed', { ...changed, merge_id: id(1) });
    const { newsletters_ended: _ended, ...merged } = exampleOf('contact.merged', 3);
    await publish(3, 'contact.merged', merged, 1);
    const { former_addresses, merge_id, newsletters, ...first } = exampleOf('contact.email_changed', 3);
    await publish(4, 'contact.email_changed', first, 1);
    start();
    await until(() => handled(4));
    expect(told()).toEqual(['1.0 New.Name@mail.test', '3.0 New.Name@mail.test']);
  });

  it('sends the rest when the mail server works again, and goes on behind a mail that is refused for good', async () => {
    let busy = 2;
    answer = async ({ nr }) => {
      if (nr === '1.0') return Object.assign(new Error('no such mailbox'), { responseCode: 550 });
      if (nr !== '2.1' || busy-- <= 0) return undefined;
      return Object.assign(new Error('busy'), { responseCode: 451 });
    };
    await publish(1, 'contact.merged', exampleOf('contact.merged', 1));
    await publish(2, 'contact.email_changed', exampleOf('contact.email_changed', 2));
    await publish(3, 'contact.merged', exampleOf('contact.merged', 3));
    start();
    await until(() => handled(3));
    expect(told()).toEqual(['2.0 New.Name@mail.test', '2.1 Ada.L@mail.test', '3.0 New.Name@mail.test']);
  });

  it('waits while the mail server refuses its sender, which concerns all mails', async () => {
    isStranger = true;
    await publish(1, 'contact.merged', exampleOf('contact.merged', 1));
    start();
    await until(() => log.includes('contact.merged waits'));
    isStranger = false;
    await until(() => handled(1));
    expect(told()).toEqual(['1.0 New.Name@mail.test']);
  });

  it('loses nothing when it is killed: the mail in flight goes out again under the same Message-ID, earlier ones do not', async () => {
    let inFlight = false;
    answer = ({ nr }) => {
      inFlight = nr === '2.1';
      return inFlight ? new Promise(() => undefined) : Promise.resolve(undefined);
    };
    await publish(1, 'contact.merged', exampleOf('contact.merged', 1));
    await publish(2, 'contact.email_changed', exampleOf('contact.email_changed', 2));
    start();
    await until(() => inFlight);
    await stop('SIGKILL');
    answer = async () => undefined;
    start();
    await until(() => handled(2));
    expect(told()).toEqual(['1.0 New.Name@mail.test', '2.0 New.Name@mail.test', '2.1 Ada.L@mail.test']);
  });

  it('does not tell readers of a state that is over, nor of a contact that ended', async () => {
    const changed = (contact: number, version: number) => {
      const body = exampleOf('contact.email_changed', contact);
      return { ...body, former_addresses: [], contact: { ...(body.contact as object), version } };
    };
    await publish(1, 'contact.email_changed', changed(1, 7));
    await publish(2, 'contact.email_changed', changed(1, 6));
    await publish(3, 'contact.erased', exampleOf('contact.erased', 1));
    await publish(4, 'contact.email_changed', changed(1, 8));
    start();
    await until(() => handled(4));
    expect(told()).toEqual(['1.0 New.Name@mail.test']);
    expect(await database.sql('SELECT message_id FROM handled_message WHERE event_id IS NOT NULL')).toEqual([
      { message_id: id(4) },
    ]);
  });

  it('keeps a message of a schema version that it does not know for a newer mailer', async () => {
    await publish(1, 'contact.merged', exampleOf('contact.merged', 1), 3);
    start();
    await until(() => log.includes('schema-version is 3'));
    expect(await stop('SIGTERM')).toEqual([0, null]);
    await until(async () => (await broker().ready(MAILER_QUEUE)) === 1);
    expect(received).toEqual([]);
  });
});
