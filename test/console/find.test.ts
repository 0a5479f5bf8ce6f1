/** How staff find a reader, and what they see of keys that open no reader any more. */
import { describe, expect, it } from '@jest/globals';
import { erasePerson } from '../../src/operations/erase/run';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { acct, addressOf, del, uidOf } from '../support/events';
import { apply, mergedPair } from '../support/stored';
import { type Answer, startTestConsole, Visitor, withConsole } from '../support/visitor';

const ERASURE_KEY = 'a key for erasure in tests';

const { data, ada } = withConsole();

const idOf = async (name: string): Promise<string> =>
  (await findContact(data().db, { by: 'email', address: addressOf(name).key }))?.id as string;
/** What is found, with the page that it leads to. */
const find = (key: string): Promise<Answer> => ada().follow('/', '/find', { key });

/** Its only address went to somebody else's account. */
async function closedContact(): Promise<{ id: string; token: string }> {
  await apply(data().db, acct('first', 'passed-on', 1));
  const contact = await findContact(data().db, { by: 'account', uid: uidOf('first') });
  await apply(data().db, acct('second', 'second', 2), acct('second', 'passed-on', 3), del('first', 4));
  return contact as { id: string; token: string };
}

describe('finding a reader', () => {
  it('works by address, account, token and contact id, however they are typed, and with a whole link', async () => {
    await apply(data().db, acct('ada', 'ada', 1));
    const contact = await findContact(data().db, { by: 'account', uid: uidOf('ada') });
    const { id, token } = contact as { id: string; token: string };
    for (const key of [
      ' ADA@Mail.Test ',
      uidOf('ada').toUpperCase(),
      token.toUpperCase(),
      id,
      `https://a.test/${token}/?x=1`,
    ]) {
      expect(await ada().submit('/', '/find', { key })).toMatchObject({ status: 303, location: `/contacts/${id}` });
    }
  });

  it.each([
    ['nobody@mail.test', 'No reader has the email address nobody@mail.test.', 'Ask for other addresses'],
    ['0'.repeat(32), `No account has the id ${'0'.repeat(32)}`, 'Look for an email address'],
    ['00000000-0000-4000-8000-000000000000', 'No token, account or contact has the id', 'Copy the whole id'],
    ['no key', 'This is not an email address, a token, an account or a contact id', 'An email address has one @'],
  ])('says of %j what was looked for, and what to try', async (key, looked, toTry) => {
    const { status, text } = await find(key);
    expect([status, text]).toEqual([404, expect.stringContaining(looked)]);
    expect(text).toContain(toTry);
    expect(text).not.toContain('ERASURE_KEY');
  });

  it('says of a retired token when and by which merge it was retired, and who its reader is now', async () => {
    const { id, survivorId, tokenRetired } = await mergedPair(data().db, 'tom');
    const { status, text, html } = await find(tokenRetired as string);
    expect([status, text]).toEqual([200, expect.stringContaining('This token was retired on')]);
    expect(text).toContain(`by merge ${id} ; its reader is now ${survivorId}`);
    for (const path of [`/merges/${id}`, `/contacts/${survivorId}`]) expect(html).toContain(`href="${path}"`);
  });

  it('leads from the id of a merged contact to its page, which says where the reader is now', async () => {
    const { id, survivorId, retiredId } = await mergedPair(data().db, 'mia');
    const { status, text, html } = await find(retiredId);
    expect([status, text]).toEqual([200, expect.stringContaining('Former reader')]);
    expect(text).toContain(`by merge ${id}`);
    expect(text).toContain(`The reader is now ${survivorId}`);
    expect(text).toContain('Only this console still knows the id');
    expect(text).toContain('Not sent yet. Merge of');
    expect(html).toContain(`href="/merges/${id}/undo"`);
  });

  it('says that a contact was closed, also by its token', async () => {
    const closed = await closedContact();
    expect((await find(closed.id)).text).toContain('its last address went to a different person');
    const { text, html } = await find(closed.token);
    expect(text).toContain('This token was retired when its contact was closed; its contact was');
    expect(html).toContain(`href="/contacts/${closed.id}"`);
  });

  it('says of a deleted account when it was deleted, and who has its addresses', async () => {
    await apply(data().db, acct('gone', 'gone', 1));
    await apply(data().db, del('gone', 2));
    await apply(data().db, acct('back', 'gone', 3));
    const { status, text, html } = await find(uidOf('gone'));
    expect([status, text]).toEqual([200, expect.stringContaining('was deleted on 2026-01-01 00:00 UTC')]);
    expect(html).toContain(`href="/contacts/${await idOf('gone')}"`);
    expect(html).toContain(`href="/merges?account=${uidOf('gone')}"`);
  });

  it('recognises an erased address, account and contact, but without ERASURE_KEY only the contact', async () => {
    await apply(data().db, acct('erased', 'erased', 1));
    const id = await idOf('erased');
    await erasePerson(data().db, addressOf('erased'), { erasureKey: ERASURE_KEY });
    expect((await find('Erased@mail.test')).text).toContain('The reader with this email address was erased');
    expect((await find(uidOf('erased'))).text).toContain('The reader with this account was erased');
    expect((await find(id)).text).toContain('This reader was erased. Only the id is left');
    const other = await startTestConsole(data().db, { context: { erasureKey: null } });
    try {
      const staff = await Visitor.signedIn(other.url);
      const { status, text } = await staff.follow('/', '/find', { key: 'erased@mail.test' });
      expect([status, text]).toEqual([404, expect.stringContaining('the console needs ERASURE_KEY for that')]);
      expect((await staff.get(`/contacts/${id}`)).text).toContain('This reader was erased');
    } finally {
      await other.app.close();
    }
  });

  it.each(['/contacts/00000000-0000-4000-8000-000000000000', '/contacts/ada@mail.test', '/contacts/1'])(
    'answers %s, which never was a contact, with 404',
    async (path) => {
      expect(await ada().get(path)).toMatchObject({
        status: 404,
        text: expect.stringContaining('This page does not exist'),
      });
    },
  );
});
