/**
 * A minimal mailer that never mails twice and loses no message:
 *
 *   AMQP_URL=amqp://user:password@host:5672/vhost node examples/mailer.mjs
 *
 * It consumes `mailer.contact-events` and prints the mails that it would send. contracts/asyncapi.json describes the
 * messages.
 */
import { connect } from 'amqplib';

const QUEUE = 'mailer.contact-events';
const STAFF = 'contact-support@site.test';

/**
 * Ids of handled messages. A message may be delivered again (after a crash before its ack, or a failover), always under
 * the same id. A real mailer stores the ids in its database: one insert into a table with a unique key, in the transaction
 * that puts the mail into its outgoing queue. They can be deleted after some weeks.
 */
const seen = new Set();

const link = (token) => `https://site.test/preferences/${token}`;
const list = (names) => names.join(', ') || 'none';
const subscribed = (newsletters) => Object.keys(newsletters).filter((name) => newsletters[name].state === 'subscribed');

/** A mail to a reader, unless the reader opted out of all email or has no address. */
const toReader = ({ primary_email: to, opted_out }, subject, text) => (to && !opted_out ? [{ to, subject, text }] : []);

/** The mails for each type of message. A real mailer picks the language by `contact.lang`. */
const MAILS = {
  'contact.merged': ({ survivor, former_addresses, newsletters, newsletters_added }) =>
    toReader(
      survivor,
      'Your subscriptions are in one place now',
      `We had two records of you, at ${survivor.primary_email} and ${list(former_addresses)}. They are one now.
Your newsletters: ${list(subscribed(newsletters))}. New among them: ${list(newsletters_added)}.
Your preference centre: ${link(survivor.basket_token)}`,
    ),
  'contact.unmerged': ({ survivor, restored }) =>
    [survivor, restored].flatMap((contact) =>
      toReader(
        contact,
        'Your subscriptions are as they were',
        `We had taken your record for another one's, and have taken that back.
Your newsletters: ${list(subscribed(contact.newsletters))}.
Your preference centre: ${link(contact.basket_token)}`,
      ),
    ),
  // The former mailbox may belong to another person by now: no link and no new address.
  'contact.email_changed': ({ contact, former_email }) => [
    ...toReader(
      contact,
      'We write to this address from now on',
      `Until now it was ${former_email ?? 'none'}.\nYour preference centre: ${link(contact.basket_token)}`,
    ),
    ...toReader(
      { ...contact, primary_email: former_email },
      'We do not write to this address any more',
      `Your account has another address. If that was not you: ${STAFF}.`,
    ),
  ],
  'contact.review_needed': ({ contact, former_email }) => [
    {
      to: STAFF,
      subject: 'An account is left without an address',
      text: `Contact ${contact.contact_id}: another account has proved ${former_email ?? 'the only address'}.`,
    },
  ],
};

/** A real mailer would send the mail. The stable Message-ID lets mail servers recognise a repeated one too. */
function send({ to, subject, text }, id) {
  process.stdout.write(`To: ${to}\nSubject: ${subject}\nMessage-ID: <${id}@site.test>\n\n${text}\n\n`);
}

function handle({ properties: { messageId, type }, content }) {
  if (seen.has(messageId)) return;
  // Later versions may send new types: ignore them.
  const mails = MAILS[type]?.(JSON.parse(content.toString())) ?? [];
  for (const [nr, mail] of mails.entries()) send(mail, `${messageId}.${nr}`);
  seen.add(messageId);
}

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost');
const channel = await connection.createChannel();
await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
await channel.prefetch(20);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => connection.close());
await channel.consume(QUEUE, (message) => {
  if (message === null) process.exit(1); // the queue was deleted: exit and be restarted
  handle(message);
  channel.ack(message); // last, so that a crash before it only repeats the message
});
