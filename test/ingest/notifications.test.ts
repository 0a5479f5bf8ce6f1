/** Notifications other than contact.merged, as the outbox holds them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ContactEmailChanged, ContactReviewNeeded } from '../../src/messages/outgoing/schemas';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, optout, signup, uidOf } from '../support/events';
import { apply } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
beforeEach(() => database.sql('DELETE FROM outbox'));
afterAll(() => database?.drop());

const outbox = () =>
  database.sql<{ message_id: string; contact_id: string; type: string; body: unknown }>(
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
    expect((await outbox()).map(({ type }) => type)).toEqual(['contact.merged', 'contact.email_changed']);
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
