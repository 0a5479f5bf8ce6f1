/** `contact.confirmation_needed`: which sign-ups their readers are asked to confirm. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Step } from '../../../src/ingest/apply/steps';
import { applyBatch } from '../../../src/ingest/apply/transaction';
import { ContactConfirmationNeeded } from '../../../src/messages/outgoing/schemas';
import { findContact } from '../../../src/postgres/look-ups/find-contact';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, confirm, exactly, optout, signup, unsub } from '../../support/events';
import { DEFAULTS } from '../../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
beforeEach(() => database.sql('DELETE FROM outbox'));
afterAll(() => database?.drop());

const apply = (...steps: Step[]) =>
  applyBatch(database.db, steps, { ...DEFAULTS, notify: { changes: false, confirmations: true } });

/** The requests since the last look, each as its address and newsletters. */
async function asked(): Promise<string[]> {
  const rows = await database.sql<{ type: string; body: unknown }>('SELECT * FROM outbox ORDER BY seq');
  await database.sql('DELETE FROM outbox');
  return rows
    .filter(({ type }) => type === 'contact.confirmation_needed')
    .map(({ body }) => ContactConfirmationNeeded.parse(body))
    .map(({ contact, newsletters }) => `${contact.primary_email} ${Object.keys(newsletters)}`);
}

describe('a sign-up that needs a confirmation', () => {
  it('at a new address: the message has the address, the token, the language and the newsletters', async () => {
    const event = signup('New@mail.test', ['x', 'y'], 1, { profile: { lang: 'fr', firstName: 'Ada' } });
    const { notifications } = await apply(event);
    expect(notifications).toBe(1);
    const [row] = await database.sql<{ contact_id: string; body: unknown }>('SELECT * FROM outbox');
    const contact = await findContact(database.db, { by: 'email', address: 'new@mail.test' });
    expect(row?.contact_id).toBe(contact?.id);
    expect(ContactConfirmationNeeded.parse(row?.body)).toMatchObject({
      trigger: { source: 'newsletter', event: 'newsletter.subscribe', event_id: event.trigger.id },
      contact: {
        ...{ contact_id: contact?.id, primary_email: 'New@mail.test', basket_token: contact?.token, version: 1 },
        ...{ lang: 'fr', first_name: 'Ada', opted_out: false, double_opt_in: false, mailable: false },
      },
      newsletters: { x: { state: 'subscribed', since: new Date(at(1)).toISOString(), lang: 'fr' }, y: { lang: 'fr' } },
    });
  });

  it('once for each event: a replay, in the same batch or a later one, asks for nothing', async () => {
    const first = signup('once', ['x'], 1);
    await apply(first, first);
    expect(await asked()).toEqual(['once@mail.test x']);
    await apply(first);
    expect(await asked()).toEqual([]);
    await apply(signup('once', ['y'], 2), first);
    expect(await asked()).toEqual(['once@mail.test y']);
  });

  it('again when the reader signs up again before confirming, with the token and the version of the stored contact', async () => {
    await apply(signup('again', ['x'], 1));
    await asked();
    await apply(signup('again', ['x'], 2), signup('again', ['z'], 2));
    const rows = await database.sql<{ body: unknown }>('SELECT * FROM outbox ORDER BY seq');
    const contact = await findContact(database.db, { by: 'email', address: addressOf('again').key });
    expect(rows.map(({ body }) => ContactConfirmationNeeded.parse(body).contact)).toMatchObject([
      { basket_token: contact?.token, version: contact?.version },
      { basket_token: contact?.token, version: contact?.version },
    ]);
    expect(await asked()).toEqual(['again@mail.test x', 'again@mail.test z']);
  });

  it('through a token, too', async () => {
    await apply(signup('by-token', ['x'], 1));
    await asked();
    const contact = await findContact(database.db, { by: 'email', address: addressOf('by-token').key });
    await apply(signup({ token: contact?.token as string }, ['y'], 2));
    expect(await asked()).toEqual(['by-token@mail.test y']);
  });

  it('when a reader chooses exactly these newsletters, by address or through a token', async () => {
    await apply(exactly('chooses', ['x'], 1));
    const contact = await findContact(database.db, { by: 'email', address: addressOf('chooses').key });
    await apply(exactly({ token: contact?.token as string }, ['y'], 2), exactly('chooses', [], 3));
    expect(await asked()).toEqual(['chooses@mail.test x']);
    await apply(exactly('chooses', ['y'], 4));
    expect(await asked()).toEqual(['chooses@mail.test y']);
  });

  it('without the newsletters that the reader left meanwhile', async () => {
    await apply(signup('left', ['x', 'y'], 1), unsub('left', ['x'], 2));
    expect(await asked()).toEqual(['left@mail.test y']);
    await apply(unsub('late', ['x'], 2), signup('late', ['x'], 1));
    expect(await asked()).toEqual([]);
  });
});

describe('no confirmation is asked for', () => {
  it('once the address is confirmed, also within the batch', async () => {
    await apply(signup('sure', ['x'], 1), confirm('sure', 2));
    await apply(signup('sure', ['y'], 3));
    await apply(signup('proven', ['x'], 1, { optin: true }));
    expect(await asked()).toEqual([]);
  });

  it('at the address of an account, also of one that is made within the batch', async () => {
    await apply(acct('u', 'owned', 1));
    await apply(signup('owned', ['x'], 2));
    await apply(signup('made', ['x'], 1), acct('v', 'made', 2));
    expect(await asked()).toEqual([]);
  });

  it('by a reader who opted out: a mail would be against that', async () => {
    await apply(optout('gone', 1));
    await apply(signup('gone', ['x'], 2));
    await apply(signup('gone-at-once', ['x'], 1), optout('gone-at-once', 2));
    expect(await asked()).toEqual([]);
  });

  it('by a sign-up without newsletters, and by other acts', async () => {
    await apply(signup('bare', [], 1), unsub('other', ['x'], 1), confirm('other', 2, false));
    expect(await asked()).toEqual([]);
  });

  it('unless it is asked for', async () => {
    await applyBatch(database.db, [signup('off', ['x'], 1)], DEFAULTS);
    expect(await asked()).toEqual([]);
  });
});
