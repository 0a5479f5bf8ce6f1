/**
 * A mailer to start from. It consumes `mailer.contact-events`, writes to readers by SMTP, and keeps the ids of handled
 * messages in a table: no message is lost, and none is mailed twice.
 *
 *   AMQP_URL=amqp://user:password@host:5672/vhost DATABASE_URL=postgresql://user:password@host/mailer \
 *     SMTP_URL=smtp://user:password@host:587 MAIL_FROM=news@site.test STAFF=contact-support@site.test \
 *     PREFERENCES=https://site.test/preferences/ npm run -s mailer
 *
 * The database is the mailer's own, not that of OneContact. contracts/asyncapi.json describes the messages.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumeMessage, connect } from 'amqplib';
import { createTransport } from 'nodemailer';
import { Handled, subjectOf } from './handled';
import { type Mail, type Message, mailsFor, type Site } from './mails';

const QUEUE = 'mailer.contact-events';
const LONGEST_PAUSE_MS = 60_000;

const setting = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see the head of examples/mailer/main.ts`);
  return value;
};
/** Names messages by id and type only: bodies are personal data. */
const log = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const site: Site = { preferences: setting('PREFERENCES'), staff: setting('STAFF') };
  const from = setting('MAIL_FROM');
  const smtp = createTransport(setting('SMTP_URL'));
  const handled = new Handled(setting('DATABASE_URL'));
  const stopping = new AbortController();
  await handled.prepare();

  /** The same Message-ID each time: mail servers recognise a mail that was sent just before a crash. */
  async function send(mail: Mail, id: string): Promise<void> {
    const messageId = `<${id}@${from.split('@')[1]}>`;
    try {
      await smtp.sendMail({ from, ...mail, messageId });
    } catch (error) {
      if (!isRefusal(error as SmtpError)) throw error;
      log(`${id}: the mail server refuses this mail for good`);
    }
  }

  async function handle(message: Message): Promise<void> {
    await handled.once(message, async ({ sent, isStale, isToldByMerge }, noteSent) => {
      // A message that comes late must not tell readers of a state that is over.
      const mails = isStale ? [] : mailsFor(message, site, isToldByMerge);
      for (const [nr, mail] of [...mails.entries()].slice(sent)) {
        await send(mail, `${message.id}.${nr}`);
        await noteSent();
      }
      log(`${message.id}: ${message.type}, ${mails.length} mails`);
    });
    // Here a mailing list would delete what it has of these contacts, and look up those of contact.changed.
    const { contactId } = subjectOf(message);
    if ((message.type === 'contact.closed' || message.type === 'contact.erased') && contactId) {
      await handled.forget(contactId);
    }
  }

  /** Resolves once the message is handled. Whatever is wrong is put right elsewhere: the message waits here. */
  async function handleInTheEnd(message: Message): Promise<boolean> {
    for (let pause = 1_000; !stopping.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await handle(message);
        return true;
      } catch (error) {
        log(`${message.id}: ${message.type} waits: ${(error as { code?: string }).code ?? (error as Error).message}`);
        await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
    return false;
  }

  const connection = await connect(setting('AMQP_URL'));
  const channel = await connection.createChannel();
  // OneContact declares the queue: the mailer needs the right to read it, and no other.
  await channel.prefetch(20);
  connection.on('close', () => {
    if (stopping.signal.aborted) return;
    log('the broker closed the connection: exit, and be started again');
    process.exit(1);
  });
  // One after the other, so that the messages about a contact keep their order.
  let work = Promise.resolve();
  const { consumerTag } = await channel.consume(QUEUE, (delivery) => {
    if (delivery === null) {
      log(`${QUEUE} was deleted: exit, and be started again`);
      process.exit(1);
    }
    work = work.then(async () => {
      if (stopping.signal.aborted) return;
      const message = messageOf(delivery);
      if (!message) log('a message without id or JSON is none of OneContact: acknowledged');
      // Last, so that a crash before it only repeats the message.
      if (!message || (await handleInTheEnd(message))) channel.ack(delivery);
    });
  });
  log('mailer is running');

  const stop = async (): Promise<void> => {
    stopping.abort();
    await channel.cancel(consumerTag);
    await work;
    await connection.close(); // what is not acknowledged returns to the queue
    smtp.close();
    await handled.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
}

function messageOf({ properties, content }: ConsumeMessage): Message | null {
  const { messageId: id, type, headers } = properties;
  try {
    const body: unknown = JSON.parse(content.toString());
    if (!UUID.test(id) || typeof body !== 'object' || body === null) return null;
    return { id, type, version: Number(headers?.['schema-version'] ?? 1), body };
  } catch {
    return null;
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

interface SmtpError {
  responseCode?: number;
  command?: string;
}

/** The server will never take this mail. Another refusal, such as that of a password, concerns all mails: they wait. */
const isRefusal = ({ responseCode = 0, command = '' }: SmtpError): boolean =>
  responseCode >= 500 && ['RCPT TO', 'DATA'].includes(command);

main().catch((error: Error) => {
  log(error.message);
  process.exit(1);
});
