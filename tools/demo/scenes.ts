import { randomUUID } from 'node:crypto';
import type { Contact } from '../../src/client';
import { ContactMerged } from '../../src/messages/outgoing/schemas';
import type { Delivery } from '../../src/rabbitmq/consuming/delivery';
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
import { shortToken } from './picture';
import type { Report } from './report';
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

async function signUpFirst(play: Play): Promise<void> {
  const { stage, report } = play;
  const why = [
    'Ada has an account, and signs up for a newsletter with another address.',
    'Elsewhere she is left with two records, two preference centres, and two',
    'copies of each mail.',
  ];
  report.scene('Ada makes the address of a sign-up her primary one', why, 'CTMS issue 1017, workflow 1');
  const ada = makeUid();
  const [home, work] = ['ada@home.test', 'ada@work.test'];
  await send(play, accountMade(ada, home, 'Ada creates an account'));
  const account = await stage.contact({ account: ada }, "a contact of Ada's account");
  await send(play, signUp(work, 'privacy-weekly'));
  const reader = await stage.contact({ email: work }, `a contact of ${work}`);
  await send(play, primaryChanged(ada, 'Ada@Work.test', 'Ada has a new primary address'));
  const merged = await stage.contact(
    { account: ada },
    "both addresses on the contact of Ada's account",
    ({ addresses }) => addresses.length === 2,
  );
  report.contacts([account, reader], merged);
  const byHome = await stage.contact({ email: home }, `a contact of ${home}`);
  const byWork = await stage.contact({ email: work }, `a contact of ${work}`);
  report.check(
    'one contact: the account and both addresses lead to it',
    [byHome, byWork, merged].every(({ contact_id }) => contact_id === account.contact_id),
    `all three to lead to ${account.contact_id}`,
  );
  report.check(
    'it has the newsletter that the other record had',
    has(merged, 'privacy-weekly', 'subscribed'),
    'privacy-weekly',
  );
  report.check(
    `the token ${shortToken(reader.basket_token)} stays: links in mails sent to ${work} still work`,
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
    `GET ${shortPath(tokenPath(retired))}  404: the retired token`,
    gone.status === 404 && gone.body === unknown.body,
    `404 with the body of an unknown token: ${unknown.body}`,
  );
  const old = await stage.get(`/contacts/${kept.contact_id}`);
  report.check(
    `GET ${shortPath(`/contacts/${kept.contact_id}`)}  404: the id of the retired record`,
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
    'the mailer is told once of the merge, once of the new primary address',
    String(types) === 'contact.merged,contact.email_changed',
    `contact.merged and contact.email_changed, not ${types.join(', ')}`,
  );
  const message = notifications.find(isMerge);
  if (!message) return;
  const body = bodyOf(message);
  report.check(
    'the message names the surviving and the retired contact, and both tokens',
    body?.survivor.contact_id === account.contact_id &&
      body.survivor.basket_token === merged.basket_token &&
      body.retired.contact_id === reader.contact_id &&
      body.token.kept === reader.basket_token &&
      body.token.retired === account.basket_token,
    'contact.merged as its schema says, of these two contacts',
  );
  report.check(
    'its message id is the id of the merge, so a duplicate can be recognised',
    message.messageId !== undefined && message.messageId === body?.merge_id,
    `the message id ${body?.merge_id}`,
  );
  const fields = {
    'survivor.contact_id': String(body?.survivor.contact_id),
    'retired.contact_id': String(body?.retired.contact_id),
    'token.kept': String(body?.token.kept),
    'token.retired': String(body?.token.retired),
  };
  // The schema's order of keys reads better than the database's.
  report.message('contact.merged, in the queue mailer.contact-events', fields, body ?? String(message.content));
  report.say('   The mails that examples/mailer would send:');
  for (const each of notifications) {
    const mails = stage.mailsFor(each);
    report.say('');
    for (const mail of mails) report.mail(mail);
    const receiver = isMerge(each) ? merged.primary_email : account.primary_email;
    report.check(
      isMerge(each)
        ? 'contact.merged: one mail, to the present address, with the kept token'
        : 'contact.email_changed: one mail, to the former address, without a token',
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

async function changeFirst(play: Play): Promise<void> {
  const { stage, report } = play;
  const why = [
    'Ben changes the address of his account, then signs up with the new one.',
    'Elsewhere a sign-up does not look at the addresses of accounts, and makes a',
    'second record.',
  ];
  report.scene('Ben signs up with the new address of his account', why, 'CTMS issue 1017, workflow 2');
  const announced = (await stage.notifications()).length;
  const ben = makeUid();
  const [old, young] = ['ben@old.test', 'ben@new.test'];
  await send(play, accountMade(ben, old, 'Ben creates an account'));
  const first = await stage.contact({ account: ben }, "a contact of Ben's account");
  await send(play, primaryChanged(ben, young, 'Ben has a new primary address'));
  const changed = await stage.contact({ email: young }, `a contact of ${young}`);
  await send(play, signUp(young, 'hacks'));
  const after = await stage.contact({ email: young }, 'the sign-up on the contact', (contact) =>
    has(contact, 'hacks', 'subscribed'),
  );
  report.contacts([changed], after);
  report.check(
    "the sign-up belongs to the account's contact: there never were two",
    [changed, after].every(({ contact_id }) => contact_id === first.contact_id) && after.account_id === ben,
    `the contact ${first.contact_id} throughout`,
  );
  report.check('its token is the same as before', after.basket_token === first.basket_token, `${first.basket_token}`);
  const incoming = (await stage.notifications()).slice(announced).map(({ routingKey }) => routingKey);
  report.check(
    'the mailer is told of the new primary address only: nothing was merged',
    String(incoming) === 'contact.email_changed',
    `contact.email_changed, not ${incoming.join(', ')}`,
  );
}

async function accountRecreated(play: Play): Promise<void> {
  const { stage, report } = play;
  const why = [
    'Cleo deletes her account and creates another with the same address.',
    'Elsewhere the deleted account still has the address, and the new account',
    'has nothing.',
  ];
  report.scene('Cleo deletes her account, then creates it again', why, 'GSA FAC decision record 33');
  const announced = (await stage.notifications()).length;
  const [deleted, recreated] = [makeUid(), makeUid()];
  const address = 'cleo@mail.test';
  const key = { email: address };
  await send(play, accountMade(deleted, address, 'Cleo creates an account'));
  await stage.contact({ account: deleted }, "a contact of Cleo's account");
  await send(play, signUp(address, 'privacy-weekly', 'offers'));
  await stage.contact(key, 'the sign-up on the contact', (contact) => has(contact, 'offers', 'subscribed'));
  await send(play, unsubscribe(address, 'offers'));
  const old = await stage.contact(key, 'the unsubscription on the contact', (it) => has(it, 'offers', 'unsubscribed'));
  await send(play, accountDeleted(deleted, 'Cleo deletes her account'));
  await stage.contact(key, 'the contact without its account', ({ account_id }) => account_id === null);
  const gone = await stage.get(`/contacts/by-account/${deleted}`);
  await send(play, accountMade(recreated, address, 'Cleo creates an account again'));
  const young = await stage.contact(
    key,
    'the new account on the contact',
    ({ account_id }) => account_id === recreated,
  );
  report.contacts([old], young);
  report.check(
    `GET /contacts/by-account/${shortUid(deleted)}  404: the deleted account`,
    gone.status === 404,
    `404, not ${gone.status}`,
  );
  report.check(
    'the new account has what the address had, with what she unsubscribed from',
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
    'the mailer is told of the deleted account only: nothing was retired',
    String(incoming) === 'contact.account_deleted',
    `contact.account_deleted, not ${incoming.join(', ')}`,
  );
}
