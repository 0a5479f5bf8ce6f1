/** The pages about the audit: the list with its filters, and one entry in words. */
import { describe, expect, it } from '@jest/globals';
import { type AuditEntry, addToAudit } from '../../src/postgres/tables/audit';
import { withConsole } from '../support/visitor';

const { data, ada } = withConsole({ empties: true });

const UID = '75000000000000000000000000000000';
const MERGE = '01a21739-6cff-7d6e-8dd1-630766c0fcfd';

const add = (entry: Partial<AuditEntry>) =>
  addToAudit(data().db, { operator: 'grace', command: 'opt-out', target: {}, reason: null, result: {}, ...entry });
const entryText = async (entry: Partial<AuditEntry>): Promise<string> =>
  (await ada().get(`/audit/${await add(entry)}`)).text;

describe('the list of the audit', () => {
  it('has the newest first, with who, what, why and whether it is finished', async () => {
    expect((await ada().get('/audit')).text).toContain('Nothing was changed yet.');
    await add({ reason: 'ticket 1' });
    await add({ operator: 'eve@staff.test', command: 'purge', result: null });
    expect((await ada().get('/audit')).text).toMatch(
      /UTC eve@staff\.test Purged old data no reason given Not finished 20.* UTC grace Opted a reader out ticket 1 Done$/,
    );
  });

  it('filters by command and by operator, who is never part of a URL', async () => {
    await add({ operator: 'eve@staff.test', command: 'purge' });
    await add({ operator: 'grace', command: 'purge' });
    await add({ operator: 'grace', command: 'opt-out' });
    const rows = (html: string): number => [...html.matchAll(/href="\/audit\/\d+"/g)].length;
    const filtered = async (fields: Record<string, string>) =>
      rows((await ada().submit('/audit', '/audit', fields)).html);
    expect(await filtered({ operator: 'grace', command: '' })).toBe(2);
    expect(await filtered({ operator: ' grace ', command: 'purge' })).toBe(1);
    expect(await filtered({ operator: '', command: 'purge' })).toBe(2);
    expect(rows((await ada().get('/audit?command=purge')).html)).toBe(2);
    expect(rows((await ada().get('/audit?operator=grace')).html)).toBe(3);
    const none = await ada().submit('/audit', '/audit', { operator: 'nobody', command: 'purge' });
    expect(none.text).toContain('No entry is like this.');
  });

  it('has 50 entries on a page, and every entry on exactly one page, also of one operator', async () => {
    await data().sql(`
      INSERT INTO audit (at, operator, command, target, result)
      SELECT to_timestamp(i / 7), CASE WHEN i % 2 = 0 THEN 'grace' ELSE 'eve@staff.test' END, 'purge', '{}', '{}'
      FROM generate_series(1, 120) AS i`);
    const idsOf = (html: string) => [...html.matchAll(/href="\/audit\/(\d+)"/g)].map(([, id]) => id);
    const pages: unknown[][] = [];
    for (let path: string | undefined = '/audit?command=purge'; path; ) {
      const { html } = await ada().get(path);
      pages.push(idsOf(html));
      path = /href="([^"]*)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    }
    expect([pages.map(({ length }) => length), new Set(pages.flat()).size]).toEqual([[50, 50, 20], 120]);

    const fields = { operator: 'eve@staff.test', command: '' };
    const first = await ada().submit('/audit', '/audit', fields);
    const before = /name="before" value="([^"]+)"/.exec(first.html)?.[1] as string;
    const second = await ada().submit('/audit', '/audit', { ...fields, before });
    const both = [...idsOf(first.html), ...idsOf(second.html)];
    expect([idsOf(first.html).length, new Set(both).size]).toEqual([50, 60]);
    expect(`${first.html}${second.html}`).not.toMatch(/(href|action)="[^"]*(@|%40)/);
  });
});

describe('an entry of the audit', () => {
  it('says in words what was changed, with links, and what came of it', async () => {
    const target = { merge_id: MERGE, account_id: UID, addresses: ['b@mail.test'], trigger_event_id: 'login|1' };
    const entry = { command: 'merges undo' as const, target, reason: 'ticket 2', result: { result: 'undone' } };
    const { text, html } = await ada().get(`/audit/${await add(entry)}`);
    expect(text).toMatch(
      new RegExp(
        `What Undid a merge When 20.* UTC Who grace Why ticket 2 What was changed Merge ${MERGE} Account ${UID} ` +
          'Addresses b@mail.test Event that caused the merge login\\|1 What came of it Result undone All entries$',
      ),
    );
    expect(html).toContain(`href="/merges/${MERGE}"`);
    expect(html).toContain(`href="/merges?account=${UID}"`);
    expect(text).not.toMatch(/[{}"]/);
  });

  it('shows pairs as a table, numbers, times, and names that it does not know', async () => {
    const pairs = [
      { account_id: UID, email: 'b@mail.test' },
      { account_id: UID, email: 'c@mail.test' },
    ];
    expect(await entryText({ command: 'collisions resolve', target: { pairs, announce: false } })).toContain(
      `Account Address ${UID} b@mail.test ${UID} c@mail.test Mailer told no`,
    );
    const result = { claims: 12_345, some_new_name: null, nested: { hasMore: true } };
    const target = { before: '2026-01-02T03:04:05.000Z' };
    expect(await entryText({ command: 'purge', target, result })).toContain(
      'Data from before 2026-01-02 03:04 UTC What came of it Claims 12,345 Some new name none Nested Has more yes',
    );
  });

  it('says when it is not finished, and shows an erased name as erased', async () => {
    const target = { email: `erased:${'0123456789abcdef'.repeat(4)}` };
    const text = await entryText({ target, reason: `erased:${'f'.repeat(64)}`, result: null });
    expect(text).toContain('Why erased (ffffffff…)');
    expect(text).toContain('Address erased (01234567…)');
    expect(text).toContain('either it is still running, or it was interrupted');
  });

  it('shows text from outside as text', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    const seq = await add({ operator: evil, target: { [evil]: evil, pairs: [{ [evil]: evil }] }, reason: evil });
    for (const path of ['/audit', `/audit/${seq}`]) expect((await ada().get(path)).html).not.toContain('<img');
  });

  it.each(['999999', '0', 'rubbish', '1e3', '9'.repeat(30)])(
    'is a page that says so if there is none: %s',
    async (seq) => {
      const { status, text } = await ada().get(`/audit/${seq}`);
      expect([status, text]).toEqual([404, expect.stringContaining('The audit does not have this entry.')]);
    },
  );
});
