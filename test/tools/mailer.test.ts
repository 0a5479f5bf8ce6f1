/** The example mailer, with the contract's published examples. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from '@jest/globals';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../src/rabbitmq/names';
import { CONTACT_MESSAGES } from '../../tools/contracts/catalogue';
import { until, withBroker } from '../support/broker';

const PROGRAM = resolve(__dirname, '../../examples/mailer.mjs');
const broker = withBroker();
const id = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

let child: ChildProcess | undefined;
afterEach(() => void child?.kill('SIGKILL'));

/** Publishes a message as the relay does. */
const publish = (type: string, payload: unknown, messageId: string) =>
  broker().send(CONTACT_EVENTS, type, [JSON.stringify(payload)], { type, messageId, persistent: true });
const payloadOf = (type: string) =>
  CONTACT_MESSAGES.find(({ name }) => name === type)?.examples[0]?.payload as Record<string, object>;

it('writes each mail once, however often its message is delivered, none to opted-out readers, and exits on SIGTERM', async () => {
  for (const [n, { name, examples }] of CONTACT_MESSAGES.entries()) {
    for (let i = 0; i < 2; i++) await publish(name, examples[0]?.payload, id(n));
  }
  const changed = payloadOf('contact.email_changed');
  await publish('contact.email_changed', { ...changed, contact: { ...changed.contact, opted_out: true } }, id(10));
  const gone = { ...changed, contact: { ...changed.contact, primary_email: null }, former_email: null };
  await publish('contact.email_changed', gone, id(11));
  await broker().send('', MAILER_QUEUE, ['no JSON'], { type: 'contact.what_comes_next', messageId: id(12) });
  await publish('contact.review_needed', payloadOf('contact.review_needed'), id(13));

  child = spawn(process.execPath, [PROGRAM], { env: { AMQP_URL: broker().url }, stdio: ['ignore', 'pipe', 'inherit'] });
  const all = text(child.stdout as NonNullable<ChildProcess['stdout']>);
  let written = '';
  child.stdout?.on('data', (chunk) => {
    written += chunk;
  });
  await until(() => written.includes(`<${id(13)}.0@`));
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);

  const mails = (await all)
    .split(/^(?=To: )/m)
    .map((mail) => [/^To: (.*)/.exec(mail)?.[1], /<.*-0*(\d+\.\d)@/.exec(mail)?.[1]]);
  expect(mails).toEqual([
    ['New.Name@mail.test', '0.0'],
    ['Ada.L@mail.test', '1.0'],
    ['New.Name@mail.test', '1.1'],
    ['New.Name@mail.test', '2.0'],
    ['Ada.L@mail.test', '2.1'],
    ['contact-support@site.test', '3.0'],
    ['contact-support@site.test', '13.0'],
  ]);
  expect(await broker().ready(MAILER_QUEUE)).toBe(0);
});
