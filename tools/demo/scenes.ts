import { randomUUID } from 'node:crypto';
import type { Contact } from '../../src/client';
import { ContactMerged } from '../../src/messages/outgoing/schemas';
import type { Delivery } from '../../src/rabbitmq/delivery';
import {
  accountDeleted,
  accountMade,
  makeUid,
  primaryChanged,
  type Sent,
  shortUid,
  signUp,
  unsubscribe,
} from './messages';
import { type Report, shortToken } from './report';
import type { Stage } from './stage';

export interface Play {
  stage: Stage;
  report: Report;
}

export const SCENES = [signUpFirst, changeFirst, accountRecreated];

const has = (contact: Contact, newsletter: string, state: string): boolean =>
  contact.newsletters[newsletter]?.state === state;
const tokenPath = (contact: Contact): string => `/contacts/by-token/${contact.basket_token}`;

async function send({ stage, report }: Play, message: Sent): Promise<void> {
  report.event(message);
  await stage.send(message);
}

/** CTMS issue 1017, workflow 1. */
async function signUpFirst(play: Play): Promise<void> {
  const { stage, report } = play;
  report.scene('Sign up with the second address, then make it the first', [
    'CTMS issue 1017, workflow 1: Ada is left with two records, two preference centres, two copies of each mail.',
  ]);
  const ada = makeUid();
  const [home, work] = ['ada@home.test', 'ada@work.test'];
  await send(play, accountMade(ada, home));
  const account = await stage.contact({ account: ada }, "a contact of Ada's account");
  await send(play, signUp(work, 'privacy-weekly'));
  const reader = await stage.contact({ email: work }, `a contact of ${work}`);
  report.contacts('before', [account, reader]);

  await send(play, primaryChanged(ada, 'Ada@Work.test'));
  const merged = await stage.contact(
    { account: ada },
    "both addresses on the contact of Ada's account",
    ({ addresses }) => addresses.length === 2,
  );
  report.contacts('after', [merged]);
  const byHome = await stage.contact({ email: home }, `a contact of ${home}`);
  const byWork = await stage.contact({ email: work }, `a contact of ${work}`);
  report.check(
    'one contact: both addresses and the account lead to it',
    [byHome, byWork, merged].every(({ contact_id }) => contact_id === account.contact_id),
    `all three to lead to ${account.contact_id}`,
  );
  report.check('it has the newsletter of the other', has(merged, 'privacy-weekly', 'subscribed'), 'privacy-weekly');
  report.check(
    `the token ${shortToken(reader.basket_token)} stays: it is in every mail at ${work}, her address from now on`,
    merged.basket_token === reader.basket_token && merged.primary_email === 'Ada@Work.test',
    `the contact to have the token ${reader.basket_token}`,
  );
  await checkAnswers(play, reader, account);
  await checkAnnounced(play, { merged, account, reader });
}

/** HTTP answers the kept token; a retired token or id gets the same 404 as an unknown one. */
async function checkAnswers({ stage, report }: Play, kept: Contact, retired: Contact): Promise<void> {
  const answer = await stage.get(tokenPath(kept));
  report.check(`GET ${shortPath(tokenPath(kept))}  200`, answer.status === 200, `200, not ${answer.status}`);
  const unknown = await stage.get(`/contacts/by-token/${randomUUID()}`);
  const gone = await stage.get(tokenPath(retired));
  report.check(
    `GET ${shortPath(tokenPath(retired))}  404  ${gone.body}`,
    gone.status === 404 && gone.body === unknown.body,
    `404 with the body of an unknown token: ${unknown.body}`,
  );
  const old = await stage.get(`/contacts/${kept.contact_id}`);
  report.check(
    `GET ${shortPath(`/contacts/${kept.contact_id}`)}  404: the retired record's id is gone too`,
    old.status === 404 && old.body === unknown.body,
    `404, not ${old.status}`,
  );
}

/** Shows only the beginning of the key. */
const shortPath = (path: string): string => path.replace(/[^/]{36}$/, (key) => `${key.slice(0, 8)}…`);

interface Merge {
  merged: Contact;
  account: Contact;
  reader: Contact;
}

async function checkAnnounced({ stage, report }: Play, { merged, account, reader }: Merge): Promise<void> {
  const notifications = await stage.notifications();
  const types = notifications.map(({ routingKey }) => routingKey);
  report.check(
    'the mailer was told once of the merge, and once of the new primary address',
    String(types) === 'contact.merged,contact.email_changed',
    `contact.merged and contact.email_changed, not ${types.join(', ')}`,
  );
  const message = notifications.find(isMerge);
  if (!message) return;
  const body = bodyOf(message);
  report.check(
    'it names who lives on, who is retired, and both tokens',
    body?.survivor.contact_id === account.contact_id &&
      body.survivor.basket_token === merged.basket_token &&
      body.retired.contact_id === reader.contact_id &&
      body.token.kept === reader.basket_token &&
      body.token.retired === account.basket_token,
    'contact.merged as its schema says, of these two contacts',
  );
  report.check(
    'its message id is the id of the merge: whoever gets it twice can tell',
    message.messageId !== undefined && message.messageId === body?.merge_id,
    `the message id ${body?.merge_id}`,
  );
  // The schema's order of keys reads better than the database's.
  report.json(`${message.routingKey}, as the queue mailer.contact-events received it`, body ?? String(message.content));
  report.say('\n   The mails that examples/mailer would send:\n');
  for (const each of notifications) {
    const mails = stage.mailsFor(each);
    for (const { to, subject, text } of mails) report.mail(`To: ${to}\nSubject: ${subject}\n\n${text}`);
    const receiver = isMerge(each) ? merged.primary_email : account.primary_email;
    report.check(
      `${each.routingKey}: told to ${receiver}, and the token that works stands only in the mail to the present address`,
      String(mails.map(({ to }) => to)) === receiver &&
        mails.every(({ text }) => text.includes(`/${merged.basket_token}`) === isMerge(each)),
      `one mail to ${receiver}, and ${merged.basket_token} in that of the merge`,
    );
  }
}

const isMerge = ({ routingKey }: Delivery): boolean => routingKey === 'contact.merged';

function bodyOf(message: Delivery): ContactMerged | undefined {
  return ContactMerged.safeParse(JSON.parse(message.content.toString())).data;
}

/** CTMS issue 1017, workflow 2. */
async function changeFirst(play: Play): Promise<void> {
  const { stage, report } = play;
  report.scene('Change the address, then sign up with it', [
    'CTMS issue 1017, workflow 2: the sign-up does not look at the addresses of accounts, and makes a second record.',
  ]);
  const announced = (await stage.notifications()).length;
  const ben = makeUid();
  const [old, young] = ['ben@old.test', 'ben@new.test'];
  await send(play, accountMade(ben, old));
  const first = await stage.contact({ account: ben }, "a contact of Ben's account");
  await send(play, primaryChanged(ben, young));
  const changed = await stage.contact({ email: young }, `a contact of ${young}`);
  report.contacts('before', [changed]);
  await send(play, signUp(young, 'hacks'));
  const after = await stage.contact({ email: young }, 'the sign-up on the contact', (contact) =>
    has(contact, 'hacks', 'subscribed'),
  );
  report.contacts('after', [after]);
  report.check(
    "the sign-up lands on the account's contact: there never were two",
    [changed, after].every(({ contact_id }) => contact_id === first.contact_id) && after.account_id === ben,
    `the contact ${first.contact_id} throughout`,
  );
  report.check(
    'its token was the same all the time',
    after.basket_token === first.basket_token,
    `${first.basket_token}`,
  );
  const incoming = (await stage.notifications()).slice(announced).map(({ routingKey }) => routingKey);
  report.check(
    'no merge to announce; the mailer was told of the new primary address',
    String(incoming) === 'contact.email_changed',
    `contact.email_changed, not ${incoming.join(', ')}`,
  );
}

/** GSA FAC decision record 33. */
async function accountRecreated(play: Play): Promise<void> {
  const { stage, report } = play;
  report.scene('Delete the account, and make it anew with the same address', [
    'GSA FAC decision record 33: the old identity had claimed the address, and the new one stood there with nothing.',
  ]);
  const announced = (await stage.notifications()).length;
  const [deleted, recreated] = [makeUid(), makeUid()];
  const address = 'cleo@mail.test';
  const key = { email: address };
  await send(play, accountMade(deleted, address));
  await stage.contact({ account: deleted }, "a contact of Cleo's account");
  await send(play, signUp(address, 'privacy-weekly', 'offers'));
  await stage.contact(key, 'the sign-up on the contact', (contact) => has(contact, 'offers', 'subscribed'));
  await send(play, unsubscribe(address, 'offers'));
  const old = await stage.contact(key, 'the refusal on the contact', (it) => has(it, 'offers', 'unsubscribed'));
  report.contacts('before', [old]);

  await send(play, accountDeleted(deleted));
  await stage.contact(key, 'the contact without its account', ({ account_id }) => account_id === null);
  const gone = await stage.get(`/contacts/by-account/${deleted}`);
  await send(play, accountMade(recreated, address));
  const young = await stage.contact(
    key,
    'the new account on the contact',
    ({ account_id }) => account_id === recreated,
  );
  report.contacts('after', [young]);
  report.check(
    `GET /contacts/by-account/${shortUid(deleted)}  404 once the account is deleted`,
    gone.status === 404,
    `404, not ${gone.status}`,
  );
  report.check(
    'the new account has all that was tied to the address, her "no" included',
    has(young, 'privacy-weekly', 'subscribed') && has(young, 'offers', 'unsubscribed'),
    'privacy-weekly subscribed, offers unsubscribed',
  );
  report.check(
    'the same contact, the same token: links in old mails work',
    young.contact_id === old.contact_id &&
      young.basket_token === old.basket_token &&
      (await stage.get(tokenPath(old))).status === 200,
    `the contact ${old.contact_id} with the token ${old.basket_token}`,
  );
  const incoming = (await stage.notifications()).slice(announced).map(({ routingKey }) => routingKey);
  report.check(
    'nothing was retired: the mailer was told of the deleted account, and of nothing else',
    String(incoming) === 'contact.account_deleted',
    `contact.account_deleted, not ${incoming.join(', ')}`,
  );
}
