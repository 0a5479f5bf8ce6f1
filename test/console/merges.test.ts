/** The pages about merges: the list, one merge side by side, undo and unblock. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { allRows } from '../../tools/table-rows';
import { acct, addressOf, confirm, optout, signup, uidOf, unsub } from '../support/events';
import { apply, brokenPromises } from '../support/stored';
import { withConsole } from '../support/visitor';

const { data, ada } = withConsole({ empties: true });

const key = (name: string): string => addressOf(name).key;
const receive = async (...events: ContactEvent[]): Promise<void> => {
  for (const event of events) await apply(data().db, event);
};
const mergeId = async (n = 0): Promise<string> =>
  (await data().sql<{ id: string }>('SELECT id FROM merge ORDER BY seq DESC OFFSET $1 LIMIT 1', [n]))[0]?.id as string;
const contactAt = async (name: string): Promise<{ id: string; token: string }> =>
  (
    await data().sql<{ id: string; token: string }>(
      `SELECT contact_id AS id, token FROM email_address JOIN basket_token USING (contact_id)
       WHERE address = $1 AND state = 'live'`,
      [key(name)],
    )
  )[0] as { id: string; token: string };
const audit = () => data().sql('SELECT operator, command, reason, target FROM audit ORDER BY seq');

/** The value of a hidden field of a page. */
const hidden = (html: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] as string;

/** A mark that reverses what follows, and a bell. */
const STEERING = [String.fromCharCode(0x202e), String.fromCharCode(7)];

const MERGED = [
  acct('u', 'a', 1, { locale: 'de' }),
  signup('b', ['x', 'z'], 2, { profile: { firstName: 'Ada', lang: 'fr' } }),
  unsub('a', ['x'], 3),
  optout('a', 3),
  confirm('b', 4),
  acct('u', 'b', 5),
];

/** Presses the button of the preview, as it was shown. */
async function undo(id: string, visitor = ada(), fields: Record<string, string> = {}) {
  const { html } = await visitor.get(`/merges/${id}/undo`);
  return visitor.submit(`/merges/${id}/undo`, `/merges/${id}/undo`, {
    seen: hidden(html, 'seen'),
    reason: 'ticket 4711',
    ...fields,
  });
}

describe('the list of merges', () => {
  beforeEach(() => receive(...MERGED, acct('v', 'c', 1), signup('d', [], 1), acct('v', 'd', 2)));

  it('has the newest first, each with its state and a link, and filters by account and by undone', async () => {
    await undo(await mergeId(1));
    const { text, html } = await ada().get('/merges');
    expect(text).toMatch(/In force Told .*b@mail\.test Undone 20[-0-9]{8} [0-9:]{5} UTC Told/);
    expect(text.indexOf('d@mail.test')).toBeLessThan(text.indexOf('b@mail.test'));
    expect(html).toContain(`href="/merges/${await mergeId()}"`);
    const ofV = await ada().get(`/merges?account=${uidOf('v').toUpperCase()}`);
    expect([ofV.text.includes('d@mail.test'), ofV.text.includes('b@mail.test')]).toEqual([true, false]);
    const undone = await ada().get('/merges?account=&undone=yes');
    expect([undone.text.includes('d@mail.test'), undone.text.includes('b@mail.test')]).toEqual([false, true]);
    expect((await ada().get(`/merges?account=${uidOf('w')}`)).text).toContain(
      'No contacts were merged for this account',
    );
  });

  it('says what an account looks like, and repeats what was typed as text', async () => {
    const { status, text, html } = await ada().get(`/merges?account=${encodeURIComponent('"><script>x</script>')}`);
    expect([status, text]).toEqual([400, expect.stringContaining('a uid has 32 hexadecimal digits')]);
    expect(html).not.toContain('<script>x');
  });

  it('has 50 on a page, and every merge on exactly one page', async () => {
    await data().sql(
      `
      INSERT INTO merge SELECT (jsonb_populate_record(known, jsonb_build_object(
        'id', gen_random_uuid(), 'seq', nextval('merge_seq_seq')))).*
      FROM merge AS known, generate_series(1, 50) WHERE uid = $1`,
      [uidOf('v')],
    );
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let path: string | undefined = `/merges?account=${uidOf('v')}`; path; ) {
      const { html } = await ada().get(path);
      const ids = [...html.matchAll(/href="\/merges\/([0-9a-f-]{36})"/g)].map(([, id]) => id as string);
      seen.push(...ids);
      sizes.push(ids.length);
      path = /href="([^"]*)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    }
    expect([sizes, new Set(seen).size]).toEqual([[50, 1], 51]);
  });
});

describe('the page of a merge', () => {
  it('says why, shows both sides with the value that won, both tokens, and what the mailer was told', async () => {
    await receive(...MERGED.slice(0, -1));
    const [own, lone] = [await contactAt('a'), await contactAt('b')];
    await receive(...MERGED.slice(-1));
    const { text, html } = await ada().get(`/merges/${await mergeId()}`);
    expect(text).toContain(`Account ${uidOf('u')} proves that it owns b@mail.test, which belonged to no account.`);
    expect(text).toContain(
      'the account has a new primary address: event primaryEmailChanged of the account provider, made 2026-01-01 00:00 UTC',
    );
    for (const row of [
      'primary address a@mail.test since 2026-01-01 00:00 UTC b@mail.test since 2026-01-01 00:00 UTC b@mail.test retired claimed later',
      'first name none Ada since 2026-01-01 00:00 UTC Ada retired only the retired had it',
      "newsletter x unsubscribed since 2026-01-01 00:00 UTC subscribed since 2026-01-01 00:00 UTC unsubscribed survivor the survivor's is later",
      'opted out yes none none retired the opt-out was lifted by a proof of the retired',
      `Survivor ${own.id} : live, with a@mail.test, b@mail.test`,
      `Retired ${lone.id} : ended in another contact, ${own.id}`,
      `Token that stays ${lone.token} , because the retired contact had the account's primary address`,
      `Token that is retired ${own.token} .`,
      'The message contact.merged is still waiting to be sent. It says:',
      'Newsletters that the account got: none. Newsletters that ended: x, z.',
      'Staff changed nothing about this merge.',
    ]) {
      expect(text).toContain(row);
    }
    expect(html).toContain('<th scope="row">first name</th>');
    await data().sql('DELETE FROM outbox');
    expect((await ada().get(`/merges/${await mergeId()}`)).text).toContain(
      'The mailer was sent the message contact.merged.',
    );
  });

  it('names later merges, says when the explanation was removed, and when nothing was announced', async () => {
    await receive(...MERGED, signup('c', [], 6), acct('u', 'c', 7));
    const [second, first] = [await mergeId(0), await mergeId(1)];
    await data().sql('UPDATE merge SET explanation = NULL, announced = false WHERE id = $1', [first]);
    const { text, html } = await ada().get(`/merges/${first}`);
    expect(text).toContain('Later merges build on this one.');
    expect(html).toContain(`href="/merges/${second}"`);
    expect(text).toContain('The explanation of the values was removed by a purge.');
    expect(text).toContain('Nothing: the merge was not announced.');
  });

  it('shows text from outside as text, without control and bidirectional characters', async () => {
    const evil = `<script>alert(1)</script>${STEERING.join('')}`;
    await receive(
      acct('u', 'a', 1),
      signup('b', [evil], 2, { profile: { firstName: evil } }),
      acct('u', 'b', 3, { trigger: { source: 'fxa', event: evil, id: evil } }),
    );
    for (const path of ['', '/undo']) {
      const { html, text } = await ada().get(`/merges/${await mergeId()}${path}`);
      for (const part of ['<script>alert', ...STEERING]) expect(html).not.toContain(part);
      expect(text).toContain('<script>alert(1)</script>\ufffd\ufffd');
    }
  });

  it.each(['', '/undo'])('is a page that says so for an id that no merge has: %s', async (path) => {
    for (const id of [randomUUID(), 'rubbish']) {
      const { status, text } = await ada().get(`/merges/${id}${path}`);
      expect([status, text]).toEqual([404, expect.stringContaining('No merge has this id.')]);
    }
  });
});

describe('undoing a merge', () => {
  it('shows both contacts as they will be, changes nothing before it is confirmed, and then does it', async () => {
    await receive(...MERGED.slice(0, -1));
    const [own, lone] = [await contactAt('a'), await contactAt('b')];
    await receive(...MERGED.slice(-1));
    const id = await mergeId();
    const before = await allRows(data());
    const { text } = await ada().get(`/merges/${id}/undo`);
    expect(await allRows(data())).toEqual(before);
    expect(text).toMatch(
      new RegExp(
        `The retired contact, live again Contact ${lone.id} Token ${lone.token} , works as it does now, for this contact ` +
          'Addresses b@mail.test \\(primary\\) Account none First name Ada Language fr All email not opted out ' +
          `Newsletters x: subscribed z: subscribed The survivor Contact ${own.id} Token ${own.token} , works again ` +
          `Addresses a@mail.test \\(primary\\) Account ${uidOf('u')} Language de All email opted out Newsletters x: unsubscribed`,
      ),
    );
    expect(text).toContain("The account's claims on b@mail.test do not count until they are unblocked");

    const { location } = await undo(id);
    expect(location).toBe(`/merges/${id}?done=undone`);
    const after = await ada().get(location as string);
    expect(after.text).toContain('The merge was undone. The retired contact is live again.');
    expect(after.text).toMatch(/What staff did about it .* ada Undid a merge ticket 4711 Done$/);
    expect([await contactAt('a'), await contactAt('b')]).toEqual([own, lone]);
    expect(await brokenPromises(data())).toEqual([]);
    expect(await audit()).toMatchObject([
      { operator: 'ada', command: 'merges undo', reason: 'ticket 4711', target: { merge_id: id } },
    ]);
  });

  it('needs a reason', async () => {
    await receive(...MERGED);
    for (const reason of ['', ' ', 'x'.repeat(501)]) {
      expect(await undo(await mergeId(), ada(), { reason })).toMatchObject({
        status: 400,
        text: expect.stringContaining('Give a reason'),
      });
    }
    expect(await audit()).toEqual([]);
  });

  it('is done once if the form is sent twice', async () => {
    await receive(...MERGED);
    const id = await mergeId();
    const { html } = await ada().get(`/merges/${id}/undo`);
    const fields = { _csrf: hidden(html, '_csrf'), seen: hidden(html, 'seen'), reason: 'twice' };
    const answers = await Promise.all([0, 1].map(() => ada().post(`/merges/${id}/undo`, fields)));
    expect(answers.map(({ location }) => location).sort()).toEqual([
      `/merges/${id}?done=already_undone`,
      `/merges/${id}?done=undone`,
    ]);
    expect(await audit()).toHaveLength(1);
    expect((await ada().get(`/merges/${id}/undo`)).text).toContain('This merge was undone before: nothing to do.');
  });

  it('is not done when a later merge came after the preview, or when it would do something else', async () => {
    await receive(...MERGED);
    const id = await mergeId();
    const { html } = await ada().get(`/merges/${id}/undo`);
    const fields = { _csrf: hidden(html, '_csrf'), seen: hidden(html, 'seen'), reason: 'late' };
    const other = await ada().post(`/merges/${id}/undo`, { ...fields, seen: 'what another undo does' });
    expect([other.status, other.text]).toEqual([409, expect.stringContaining('Nothing was done')]);
    await receive(signup('c', [], 6), acct('u', 'c', 7));
    const refused = await ada().post(`/merges/${id}/undo`, fields);
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('a later merge depends on it')]);
    expect(await audit()).toEqual([]);
  });

  it('is refused with the later merges to undo first', async () => {
    await receive(...MERGED, signup('c', [], 6), acct('u', 'c', 7));
    const [second, first] = [await mergeId(0), await mergeId(1)];
    const { text, html } = await ada().get(`/merges/${first}/undo`);
    expect(text).toContain('a later merge depends on it');
    expect(text).toContain('Undo the merges that came later');
    expect(html).toContain(`href="/merges/${second}"`);
    expect(html).not.toContain('name="reason"');
    await undo(second);
    expect((await undo(first)).location).toBe(`/merges/${first}?done=undone`);
  });

  it('is refused with where the addresses are now, when another account has them or nothing would be left', async () => {
    await receive(...MERGED, acct('v', 'b', 8));
    const { text, html } = await ada().get(`/merges/${await mergeId()}/undo`);
    expect(text).toContain('another account has one of its addresses now');
    expect(html).toContain(`href="/contacts/${(await contactAt('b')).id}"`);
  });
});

describe('unblocking claims', () => {
  let id: string;
  beforeEach(async () => {
    await receive(...MERGED);
    id = await mergeId();
    await undo(id);
  });
  const preview = () => ada().submit(`/merges/${id}`, `/merges/${id}/unblock`, { address: key('b') });
  const unblock = async (fields: Record<string, string> = {}) =>
    ada().submit(`/merges/${id}`, `/merges/${id}/unblock/confirm`, {
      address: key('b'),
      seen: hidden((await preview()).html, 'seen'),
      reason: 'ticket 4712',
      ...fields,
    });

  it('is offered on the page of the undone merge, shows the merge that follows, and leads to it', async () => {
    expect((await ada().get(`/merges/${id}`)).text).toContain('Preview unblocking b@mail.test');
    const before = await allRows(data());
    const { text } = await preview();
    expect(await allRows(data())).toEqual(before);
    expect(text).toContain('What would happen Merge: the two contacts are one person.');
    const { location } = await unblock();
    expect(location).toBe(`/merges/${await mergeId()}?done=merged`);
    expect(await mergeId()).not.toBe(id);
    const merged = await ada().get(location as string);
    expect(merged.text).toContain('This is the new merge.');
    expect(merged.text).toMatch(/ada Unblocked claims ticket 4712 Done$/);
    expect((await ada().get(`/merges/${id}`)).text).toContain('Nothing is blocked any more');
    expect(await audit()).toMatchObject([
      {},
      { operator: 'ada', command: 'merges unblock', reason: 'ticket 4712', target: { merge_id: id, email: key('b') } },
    ]);
    expect(await brokenPromises(data())).toEqual([]);
  });

  it('is done once if the form is sent twice, and only for what is blocked', async () => {
    const { html } = await preview();
    const seen = hidden(html, 'seen');
    await unblock();
    expect(await unblock({ seen })).toMatchObject({ location: `/merges/${id}?done=not_blocked` });
    expect(await preview()).toMatchObject({ location: `/merges/${id}?done=not_blocked` });
  });

  it('is not done when what it does has changed since the preview', async () => {
    const { status, text } = await unblock({ seen: 'something else' });
    expect([status, text]).toEqual([409, expect.stringContaining('Nothing was done')]);
    expect(await audit()).toHaveLength(1);
  });
});

describe('a form about a merge', () => {
  let before: unknown;
  beforeEach(async () => {
    await receive(...MERGED);
    before = await allRows(data());
  });
  afterEach(async () => expect(await allRows(data())).toEqual(before));

  it.each(['undo', 'unblock', 'unblock/confirm'])(
    'changes nothing without the token of its page: %s',
    async (action) => {
      const answer = await ada().post(`/merges/${await mergeId()}/${action}`, {
        reason: 'x',
        seen: 'x',
        address: key('b'),
      });
      expect(answer.status).toBe(403);
    },
  );
});
