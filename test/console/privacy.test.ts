/** What staff do for a reader who wants no more mail, a proof of their consent, or to be forgotten. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/foundation/secret';
import { optOut } from '../../src/operations/opt-out/run';
import { connectedTo } from '../../src/operations/servers';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { listAudit } from '../../src/postgres/tables/audit';
import { withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { addDeadLetters, drain } from '../support/dead-letters';
import { acct, addressOf, confirm, signup, uidOf, unsub } from '../support/events';
import { apply, DEFAULTS } from '../support/stored';
import { type Answer, startTestConsole, Visitor, withConsole } from '../support/visitor';

const broker = withBroker();
const erasureList = join(mkdtempSync(join(tmpdir(), 'onecontact-console-')), 'erasures.ndjson');

const { data, ada } = withConsole({ context: { erasureList } });

const found = (name: string) => findContact(data().db, { by: 'email', address: addressOf(name).key });
const idOf = async (name: string): Promise<string> => (await found(name))?.id as string;
const newestEntry = async () => (await listAudit(data().db, {}, { limit: 1 }))[0];

/** The fields that the page has, as a browser sends them. */
const hiddenIn = ({ html }: Answer): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name as string,
      value as string,
    ]),
  );

describe('opting a reader out in the console', () => {
  const post = (id: string, address: string, reason = 'ticket 4711'): Promise<Answer> =>
    ada().follow(`/contacts/${id}/opt-out`, `/contacts/${id}/opt-out`, { address, reason });

  it('shows what ends, does it at the chosen address, and records who did it and why', async () => {
    await apply(
      data().db,
      acct('ada', 'ada', 1),
      acct('ada', 'ada-new', 2),
      signup('ada', ['x', 'y'], 3),
      unsub('ada', ['y'], 4),
    );
    const id = await idOf('ada');
    const { text } = await ada().get(`/contacts/${id}/opt-out`);
    expect(text).toContain('It ends the newsletter: x.');
    expect(text).toContain('ada-new@mail.test (primary) ada@mail.test');
    const done = await post(id, 'ada@mail.test');
    expect([done.status, done.text]).toEqual([
      200,
      expect.stringContaining('Done: the reader is opted out of all email.'),
    ]);
    expect(done.text).toContain('with the reason “ticket 4711”');
    expect((await found('ada'))?.view.optedOut).toBe(true);
    expect(await newestEntry()).toMatchObject({
      operator: 'ada',
      command: 'opt-out',
      reason: 'ticket 4711',
      target: { email: 'ada@mail.test' },
    });
  });

  it('does nothing the second time, and says so', async () => {
    await apply(data().db, confirm('bob', 1), signup('bob', ['x'], 2));
    const id = await idOf('bob');
    await post(id, 'bob@mail.test');
    const entry = await newestEntry();
    expect((await ada().get(`/contacts/${id}/opt-out`)).text).toContain('This reader is opted out since');
    expect((await post(id, 'bob@mail.test')).text).toContain(
      'Nothing was changed: staff had opted the reader out before',
    );
    expect(await newestEntry()).toEqual(entry);
  });

  it('does nothing for an address that is not the reader’s, and without a reason', async () => {
    await apply(data().db, signup('cleo', ['x'], 1), signup('dora', ['x'], 1));
    const id = await idOf('cleo');
    for (const address of ['dora@mail.test', 'new@mail.test', 'no address', '']) {
      expect(await post(id, address)).toMatchObject({
        status: 409,
        text: expect.stringContaining('Nothing was changed'),
      });
    }
    expect(await post(id, 'cleo@mail.test', ' ')).toMatchObject({
      status: 400,
      text: expect.stringContaining('Give a reason'),
    });
    for (const name of ['cleo', 'dora']) expect((await found(name))?.view.optedOut).toBe(false);
    expect(await found('new')).toBeNull();
  });

  it('leads to the page of a reader who was merged in the meantime, and does nothing', async () => {
    await apply(data().db, signup('lost', ['x'], 1), acct('wins', 'wins', 1));
    const id = await idOf('lost');
    const asked = hiddenIn(await ada().get(`/contacts/${id}/opt-out`));
    await apply(data().db, acct('wins', 'lost', 2));
    const fields = { ...asked, address: 'lost@mail.test', reason: 'x' };
    const { location } = await ada().post(`/contacts/${id}/opt-out`, fields);
    expect((await ada().get(location as string)).text).toContain('This reader was merged on');
    expect((await found('lost'))?.view.optedOut).toBe(false);
  });

  it('does nothing if another reader gets the address while it is done', async () => {
    await apply(data().db, signup('moves', ['x'], 1), signup('stays', ['x'], 1));
    const to = { address: addressOf('moves') };
    const author = { operator: 'ada', reason: 'ticket 1' };
    await expect(optOut(data().db, to, author, DEFAULTS, await idOf('stays'))).rejects.toThrow(
      'The address belongs to another reader now. Nothing was changed.',
    );
    expect((await found('moves'))?.view.optedOut).toBe(false);
  });

  it('says of an account without an address that there is nothing to opt out', async () => {
    await apply(data().db, acct('bare', 'bare', 1), acct('taker', 'taker', 1));
    await apply(data().db, acct('taker', 'bare', 2));
    const bare = await findContact(data().db, { by: 'account', uid: uidOf('bare') });
    expect((await ada().get(`/contacts/${bare?.id}/opt-out`)).text).toContain('there is nothing to opt out');
  });
});

describe('the proof of consent in the console', () => {
  it('is the same JSON as that of the command, in a file whose name has no address, and a page to print', async () => {
    await apply(data().db, { ...signup('eve', ['x'], 1, { profile: { lang: 'de' } }), source: 'https://site.test/' });
    const id = await idOf('eve');
    const file = await ada().get(`/contacts/${id}/consent.json`);
    expect(file.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(file.headers.get('content-disposition')).toBe(`attachment; filename="consent-${id}.json"`);
    expect(file.html).toBe(
      (await onecontact(['consent', '--json', 'eve@mail.test'], { DATABASE_URL: data().url })).out,
    );
    const { text } = await ada().get(`/contacts/${id}/consent`);
    expect(text).toContain('Addresses eve@mail.test Account none Opted out of all email no');
    expect(text).toContain('1 choice, newest first');
    expect(text).toContain(
      'signed up: x Yes: latest choice for this newsletter eve@mail.test https://site.test/; language: de',
    );
  });

  it('leads to the page of a contact that has ended, and is 404 for an unknown contact', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const path of ['consent', 'consent.json', 'opt-out', 'erase']) {
      const answer = await ada().get(`/contacts/${unknown}/${path}`);
      expect(answer).toMatchObject({ status: 303, location: `/contacts/${unknown}` });
      expect((await ada().get(`/contacts/nothing/${path}`)).status).toBe(404);
    }
    expect((await ada().get(`/contacts/${unknown}`)).status).toBe(404);
  });
});

describe('erasing a reader in the console', () => {
  async function erase(id: string, typed: string, more: Record<string, string> = {}, by = ada()): Promise<Answer> {
    const asked = await by.get(`/contacts/${id}/erase`);
    const answer = await by.post(`/contacts/${id}/erase`, { ...hiddenIn(asked), typed, reason: 'ticket 42', ...more });
    return answer.location === null ? answer : by.get(answer.location);
  }

  it('shows what would be deleted, asks for an address, deletes it, and says what is not reached', async () => {
    await apply(data().db, signup('finn-lone', ['x'], 1));
    await apply(data().db, acct('finn', 'finn', 2));
    await apply(data().db, acct('finn', 'finn-lone', 3));
    const id = await idOf('finn');
    const asked = await ada().get(`/contacts/${id}/erase`);
    expect(asked.text).toContain('2 contacts, 2 addresses, 1 account, 2 claims, 1 choice, 2 tokens, 1 merge');
    expect(asked.text).toContain('Nothing is deleted yet');
    expect(asked.text).toContain('No broker is configured for this console');
    for (const typed of ['other@mail.test', 'finn', '']) {
      expect(await erase(id, typed)).toMatchObject({
        status: 400,
        text: expect.stringContaining('Nothing was deleted'),
      });
    }
    expect(await idOf('finn')).toBe(id);

    const done = await erase(id, ' FINN-lone@mail.test ');
    expect(done.text).toContain('The reader was erased. Deleted: 2 contacts, 2 addresses, 1 account');
    expect(done.text).toContain('Backups: after an older one is restored');
    expect(done.text).toContain('Dead letters: they may still name the person');
    expect(await found('finn')).toBeNull();
    const entry = await newestEntry();
    expect(entry).toMatchObject({ operator: 'ada', command: 'erase', reason: 'ticket 42', result: { contacts: 2 } });
    expect(JSON.stringify(entry?.target)).not.toContain('mail.test');
    expect(readFileSync(erasureList, 'utf8').trim().split('\n')).toHaveLength(1);
    // A second click on the button.
    const again = { ...hiddenIn(asked), typed: 'finn@mail.test', reason: 'ticket 42' };
    const { location } = await ada().post(`/contacts/${id}/erase`, again);
    expect((await ada().get(location as string)).text).toContain('This reader was erased. Only the id is left');
    expect(readFileSync(erasureList, 'utf8').trim().split('\n')).toHaveLength(1);
  });

  it('deletes nothing if two readers became one since the page was shown', async () => {
    await apply(data().db, signup('gina-lone', ['x'], 1), acct('gina', 'gina', 1));
    const id = await idOf('gina');
    const asked = await ada().get(`/contacts/${id}/erase`);
    await apply(data().db, acct('gina', 'gina-lone', 2));
    const fields = { ...hiddenIn(asked), typed: 'gina@mail.test', reason: 'ticket 43' };
    const answer = await ada().post(`/contacts/${id}/erase`, fields);
    expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('More belongs to this reader now')]);
    expect(await idOf('gina-lone')).toBe(id);
  });

  it('deletes nothing without the numbers of the page', async () => {
    await apply(data().db, signup('hugo', ['x'], 1));
    const id = await idOf('hugo');
    expect((await erase(id, 'hugo@mail.test', { contacts: 'many' })).status).toBe(400);
    expect(await idOf('hugo')).toBe(id);
  });

  it('asks for the account where a reader has no address', async () => {
    await apply(data().db, acct('ivy', 'ivy', 1), acct('jan', 'jan', 1));
    await apply(data().db, acct('jan', 'ivy', 2));
    const id = (await findContact(data().db, { by: 'account', uid: uidOf('ivy') }))?.id as string;
    expect((await ada().get(`/contacts/${id}/erase`)).text).toContain('Type the account of this reader');
    expect((await erase(id, 'ivy@mail.test')).status).toBe(400);
    expect((await erase(id, uidOf('ivy'))).text).toContain('The reader was erased');
    expect(await idOf('ivy')).toBe(await idOf('jan'));
  });

  it('drops the dead letters of the person if the box is ticked, and no others', async () => {
    const connected = await startTestConsole(data().db, {
      context: { withBroker: (work) => connectedTo(Secret.of(broker().url), 'console test', work) },
    });
    try {
      const staff = await Visitor.signedIn(connected.url);
      await addDeadLetters(broker(), 1);
      await broker().send('', 'contacts.dead-letters', ['{"email":"kim@mail.test"}', '{"email":"lea@mail.test"}']);
      await apply(data().db, signup('kim', ['x'], 1), signup('lea', ['x'], 1));
      const left = await erase(await idOf('lea'), 'lea@mail.test', {}, staff);
      expect(left.text).toContain('Dead letters: they may still name the person');
      const { text } = await erase(await idOf('kim'), 'kim@mail.test', { dead_letters: 'yes' }, staff);
      expect(text).toContain('Dead letters that named the person: 1 dropped');
      expect((await drain(broker())).sort()).toEqual(['1', '{"email":"lea@mail.test"}']);
    } finally {
      await connected.app.close();
    }
  });

  it('says without ERASURE_KEY what to set, and deletes nothing', async () => {
    await apply(data().db, signup('max', ['x'], 1));
    const id = await idOf('max');
    const keyless = await startTestConsole(data().db, { context: { erasureKey: null } });
    try {
      const staff = await Visitor.signedIn(keyless.url);
      const { text } = await staff.get(`/contacts/${id}/erase`);
      expect(text).toContain('ERASURE_KEY is not set: set it to a secret of 16 characters or more');
      await staff.submit('/', `/contacts/${id}/erase`, { typed: 'max@mail.test', reason: 'x' });
      expect(await idOf('max')).toBe(id);
    } finally {
      await keyless.app.close();
    }
  });

  it('shows no result for an address that nothing has led to', async () => {
    for (const path of ['/erased', '/erased?deleted=1', '/erased?deleted=<b>']) {
      expect((await ada().get(path)).status).toBe(404);
    }
  });
});
