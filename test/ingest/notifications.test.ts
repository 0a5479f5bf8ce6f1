/** Notifications as the outbox holds them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import { applyBatch } from '../../src/ingest/apply/transaction';
import {
  ContactAccountDeleted,
  ContactClosed,
  ContactEmailChanged,
  ContactMerged,
  ContactReviewNeeded,
  ContactUnmerged,
  SCHEMA_VERSION,
} from '../../src/messages/outgoing/schemas';
import { findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, optout, signup, uidOf, unsub } from '../support/events';
import { apply, DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
beforeEach(() => database.sql('DELETE FROM outbox'));
afterAll(() => database?.drop());

const outbox = () =>
  database.sql<{ message_id: string; contact_id: string; type: string; schema_version: number; body: unknown }>(
    'SELECT * FROM outbox ORDER BY seq',
  );
const contactOf = async (name: string): Promise<string | undefined> =>
  (await database.sql<{ contact_id: string }>('SELECT contact_id FROM account WHERE uid = $1', [uidOf(name)]))[0]
    ?.contact_id;

describe('contact.email_changed', () => {
  const move = acct('u', 'New@Mail.test', 3);

  it('holds both addresses as typed, and the token, choices and trigger that a mailer needs', async () => {
    await apply(database.db, acct('u', 'Old@mail.test', 1, { locale: 'fr' }));
    await apply(database.db, optout('Old@mail.test', 2), move);
    const [row, ...others] = await outbox();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ type: 'contact.email_changed', contact_id: await contactOf('u') });
    expect(ContactEmailChanged.parse(row?.body)).toMatchObject({
      trigger: { source: 'fxa', event: 'primaryEmailChanged', event_id: move.trigger.id, event_time: iso(3) },
      contact: { primary_email: 'New@Mail.test', lang: 'fr', account_id: uidOf('u'), opted_out: true },
      former_email: 'Old@mail.test',
      former_addresses: ['Old@mail.test'],
      newsletters: {},
      merge_id: null,
    });
    expect(ContactEmailChanged.parse(row?.body).contact.contact_id).toBe(row?.contact_id);
  });

  it('is not written again when its events are redelivered', async () => {
    await apply(database.db, move, acct('u', 'Old@mail.test', 1));
    expect(await outbox()).toEqual([]);
  });

  it('comes after contact.merged when a merge changed the primary address', async () => {
    await apply(database.db, signup('third', ['x'], 1));
    await apply(database.db, acct('u', 'third', 4));
    const [merged, changed, ...others] = await outbox();
    expect([merged?.type, changed?.type, others]).toEqual(['contact.merged', 'contact.email_changed', []]);
    expect(changed?.body).toMatchObject({ merge_id: merged?.message_id });
  });

  it('does not name a former address that another account has taken', async () => {
    await apply(database.db, acct('giver', 'first-of-giver', 1), acct('giver', 'Given@mail.test', 2));
    await database.sql('DELETE FROM outbox');
    await apply(database.db, acct('taker', 'given', 3));
    const [row] = await outbox();
    expect(ContactEmailChanged.parse(row?.body)).toMatchObject({
      contact: { primary_email: 'first-of-giver@mail.test' },
      former_email: 'given@mail.test',
      former_addresses: [],
    });
  });
});

describe('contact.merged', () => {
  it('holds what a mailer needs: name, country, locale, and each newsletter with its language and format', async () => {
    const profile = { firstName: 'Bea', country: 'fr', lang: 'fr', format: 'H' };
    await apply(database.db, acct('bea', 'bea1', 1, { locale: 'de-DE,de;q=0.5' }));
    await apply(database.db, signup('Bea2@mail.test', ['x'], 2, { profile }));
    await apply(database.db, acct('bea', 'Bea2@mail.test', 3));
    const [row] = await outbox();
    expect([row?.type, row?.schema_version]).toEqual(['contact.merged', SCHEMA_VERSION]);
    const body = ContactMerged.parse(row?.body);
    expect(body).toMatchObject({
      survivor: {
        ...{ first_name: 'Bea', country: 'fr', lang: 'fr', format: 'H', account_profile: { locale: 'de-DE,de;q=0.5' } },
        ...{ opted_out: false, double_opt_in: true, mailable: true },
      },
      former_addresses: ['bea1@mail.test'],
      newsletters: { x: { state: 'subscribed', since: iso(2), lang: 'fr', format: 'H' } },
      newsletters_added: ['x'],
      newsletters_ended: [],
    });
    expect(body.survivor.basket_token).toBe(body.token.kept);
  });

  it('names the subscriptions that ended because the other contact had refused them', async () => {
    await apply(database.db, acct('end', 'end1', 1, { newsletters: ['kept', 'n1'] }), signup('end2', ['n2'], 1));
    await apply(database.db, unsub('end2', ['n1'], 2), unsub('end1', ['n2'], 3));
    await apply(database.db, acct('end', 'end2', 4));
    expect(ContactMerged.parse((await outbox())[0]?.body)).toMatchObject({
      newsletters: { kept: { state: 'subscribed' }, n1: { state: 'unsubscribed' }, n2: { state: 'unsubscribed' } },
      newsletters_added: [],
      newsletters_ended: ['n1', 'n2'],
    });
  });

  it('has no token beside its retired contact, whichever token stays', async () => {
    for (const [name, tokenPolicy] of [['pa', 'address'] as const, ['pb', 'account'] as const]) {
      await apply(database.db, acct(name, `${name}1`, 1), signup(`${name}2`, ['x'], 2));
      await database.sql('DELETE FROM outbox');
      await applyBatch(database.db, [acct(name, `${name}2`, 3)], { ...DEFAULTS, tokenPolicy });
      const body = ContactMerged.parse((await outbox())[0]?.body);
      expect(Object.keys(body.retired)).toEqual(['contact_id', 'account_id', 'addresses']);
      expect([body.token.kept, body.token.policy]).toEqual([body.survivor.basket_token, tokenPolicy]);
      expect(body.token.retired).not.toBe(body.token.kept);
    }
  });
});

describe('contact.unmerged', () => {
  it('says that a restored address which never confirmed is not mailable', async () => {
    await apply(database.db, acct('und', 'und1', 1), signup('und2', ['x'], 2));
    const { merges } = await apply(database.db, acct('und', 'und2', 3));
    await database.sql('DELETE FROM outbox');
    const merge = await findMerge(database.db, merges[0]?.id as string);
    await apply(database.db, { kind: 'undo', at: at(4), merge: merge as StoredMerge });
    const [row, changed] = await outbox();
    expect(ContactUnmerged.parse(row?.body)).toMatchObject({
      survivor: { mailable: true },
      restored: { double_opt_in: false, mailable: false, newsletters: { x: { state: 'subscribed' } } },
    });
    expect(ContactEmailChanged.parse(changed?.body).merge_id).toBe(merges[0]?.id);
  });
});

describe('contact.account_deleted', () => {
  it('tells once of a deleted account whose contact remains, with what the contact still has', async () => {
    await apply(database.db, acct('del', 'Del@mail.test', 1, { newsletters: ['in-account'], locale: 'fr' }));
    await apply(database.db, signup('Del@mail.test', ['at-address'], 2));
    await apply(database.db, del('del', 3));
    await apply(database.db, del('del', 3));
    await apply(database.db, del('del', 2.5)); // an earlier deletion: still the same account
    const [row, ...others] = await outbox();
    expect([row?.type, others]).toEqual(['contact.account_deleted', []]);
    const body = ContactAccountDeleted.parse(row?.body);
    expect(body).toMatchObject({
      trigger: { event: 'delete', event_time: iso(3) },
      account_id: uidOf('del'),
      contact: { primary_email: 'Del@mail.test', account_id: null, account_profile: null, mailable: true },
    });
    expect(Object.keys(body.newsletters)).toEqual(['at-address']);
  });

  it('is not sent for an account that no contact was stored for', async () => {
    await apply(database.db, acct('brief', 'brief', 1), del('brief', 2), del('never-seen', 2));
    expect(await outbox()).toEqual([]);
  });
});

describe('contact.closed', () => {
  it('tells of a contact that ended because another person has all that it had', async () => {
    await apply(database.db, acct('old', 'taken', 1));
    const id = await contactOf('old');
    const [{ token }] = (await database.sql<{ token: string }>('SELECT token FROM basket_token WHERE contact_id = $1', [
      id,
    ])) as [{ token: string }];
    await apply(database.db, acct('new', 'taken', 2));
    await database.sql('DELETE FROM outbox');
    await apply(database.db, del('old', 3));
    await apply(database.db, del('old', 3));
    const [row, ...others] = await outbox();
    expect([row?.type, row?.contact_id, others]).toEqual(['contact.closed', id, []]);
    const [{ version }] = (await database.sql<{ version: number }>('SELECT version FROM contact WHERE id = $1', [
      id,
    ])) as [{ version: number }];
    expect(ContactClosed.parse(row?.body)).toMatchObject({
      ...{ contact_id: id, basket_token: token, account_id: uidOf('old'), version },
      trigger: { event: 'delete', event_time: iso(3) },
    });
  });
});

describe('nobody is told', () => {
  it('of anything that a held claim would change', async () => {
    const observed = { ...DEFAULTS, observes: () => true, notify: { changes: false, confirmations: true } };
    await apply(database.db, acct('seen', 'seen1', 1), signup('seen2', ['x'], 2), acct('other', 'seen3', 1));
    await database.sql('DELETE FROM outbox');
    await applyBatch(database.db, [acct('seen', 'seen2', 3), acct('seen', 'seen3', 4)], observed);
    expect(await outbox()).toEqual([]);
  });

  it('of a batch that is not to be announced', async () => {
    const silent = { ...DEFAULTS, announce: false, notify: { changes: true, confirmations: true } };
    await applyBatch(database.db, [acct('quiet', 'quiet1', 1), signup('quiet2', ['x'], 2)], silent);
    await applyBatch(database.db, [acct('quiet', 'quiet2', 3)], silent);
    await applyBatch(database.db, [del('quiet', 4)], silent);
    expect(await outbox()).toEqual([]);
    expect(await database.sql('SELECT FROM outbox_changes')).toEqual([]);
  });
});

describe('contact.review_needed', () => {
  it('names the account that was left without an address, and the address that it lost', async () => {
    await apply(database.db, acct('loser', 'Shared@mail.test', 1));
    await apply(database.db, acct('winner', 'shared', 2));
    const [row, ...others] = await outbox();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ type: 'contact.review_needed', contact_id: await contactOf('loser') });
    expect(ContactReviewNeeded.parse(row?.body)).toMatchObject({
      reason: 'no_address',
      trigger: { event_time: iso(2) },
      contact: { account_id: uidOf('loser'), primary_email: null },
      former_email: 'shared@mail.test',
    });
  });
});

const iso = (t: number): string => new Date(at(t)).toISOString();
