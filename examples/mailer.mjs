/**
 * A mailer, as short as one can be that never mails twice and loses nothing:
 *
 *   AMQP_URL=amqp://user:password@host:5672/vhost node examples/mailer.mjs
 *
 * It consumes `mailer.contact-events`, and writes the mails that it would send. What it gets is described in
 * contracts/asyncapi.json.
 */
import { connect } from 'amqplib';

const QUEUE = 'mailer.contact-events';
const STAFF = 'contact-support@site.test';

/**
 * Message ids of what was mailed. A message may come again (this program crashed before its ack, the broker failed over),
 * always under the same id. A real mailer keeps the ids in its database: one insert into a table with a unique key on the
 * id, in the transaction that puts the mail into its outgoing queue. After some weeks they may be deleted.
 */
const seen = new Set();

const link = (token) => `https://site.test/preferences/${token}`;
const list = (names) => names.join(', ') || 'none';
const subscribed = (newsletters) => Object.keys(newsletters).filter((name) => newsletters[name].state === 'subscribed');

/** To a reader: to nobody who has opted out of all email, and to nobody without an address. */
const toReader = ({ primary_email: to, opted_out: no }, subject, text) => (to && !no ? [{ to, subject, text }] : []);

/** What to mail because of each type of message: any number of mails. `contact.lang` would tell in which language. */
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
  // The former mailbox may be another person's by now: no link, and not where the reader is found from now on.
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

/** Here a real mailer would hand the mail over. Its own Message-ID tells mail servers too that a second one is the same. */
function send({ to, subject, text }, id) {
  process.stdout.write(`To: ${to}\nSubject: ${subject}\nMessage-ID: <${id}@site.test>\n\n${text}\n\n`);
}

function handle({ properties: { messageId, type }, content }) {
  if (seen.has(messageId)) return;
  // A type that is new since: not for us, and no reason to stop.
  const mails = MAILS[type]?.(JSON.parse(content.toString())) ?? [];
  for (const [nr, mail] of mails.entries()) send(mail, `${messageId}.${nr}`);
  seen.add(messageId);
}

const connection = await connect(process.env.AMQP_URL ?? 'amqp://localhost');
const channel = await connection.createChannel();
await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
await channel.prefetch(20);
await channel.consume(QUEUE, (message) => {
  if (message === null) process.exit(1); // the queue was deleted: whoever runs this starts it again
  handle(message);
  channel.ack(message); // only now: a crash before it brings the message again, and none is lost
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => connection.close());
