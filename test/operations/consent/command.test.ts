import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StoredMerge } from '../../../src/contacts/merge/merge';
import { erasePerson } from '../../../src/operations/erase/run';
import { listMerges } from '../../../src/postgres/tables/merge';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, at, because, del, exactly, optout, signup, uidOf, unsub } from '../../support/events';
import { apply } from '../../support/stored';

describe('the consent command', () => {
  let data: TestDatabase;
  let env: NodeJS.ProcessEnv;
  const iso = (t: number): string => new Date(at(t)).toISOString();
  const json = async (email: string) => JSON.parse((await onecontact(['consent', '--json', email], env)).out);

  const all = async () =>
    (await onecontact(['consent', '--all'], env)).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  beforeAll(async () => {
    data = await freshDatabase();
    env = { DATABASE_URL: data.url };
    const more = { optin: true, profile: { lang: 'fr', format: 'H' as const } };
    await apply(
      data.db,
      acct('u1', 'old', 1),
      { ...signup('old', ['news'], 2, more), source: 'https://site.test/\u001b[31m' },
      acct('u1', 'ada', 3),
      acct('u2', 'old', 4),
      { ...signup('old', ['hers'], 5, more), source: 'https://secret.test/' },
      { ...unsub('ada', ['news'], 6), reason: 'too many' },
      acct('u2', 'bea', 7, { newsletters: ['in-account'] }),
      acct('u3', 'gone', 1, { newsletters: ['in-account'] }),
      del('u3', 2),
      acct('u4', 'empty', 1),
    );
  });
  afterAll(() => data?.drop());

  it('prints as JSON the person, the summary and every choice with its reason, also at a former address', async () => {
    const body = await json(' Ada@Mail.TEST ');
    expect(body).toEqual({
      contact_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      addresses: ['ada@mail.test'],
      account_id: uidOf('u1'),
      opted_out: false,
      newsletters: { news: { state: 'unsubscribed', since: iso(6) } },
      choices: [
        {
          event_time: iso(2),
          newsletter: 'news',
          act: 'subscribe',
          proven: true,
          origin: { kind: 'address', key: 'old@mail.test' },
          source: 'https://site.test/\u001b[31m',
          lang: 'fr',
          format: 'H',
          reason: null,
          fields: null,
          counts: false,
          why: 'superseded',
          via: 'own',
        },
        expect.objectContaining({
          event_time: iso(6),
          act: 'unsubscribe',
          reason: 'too many',
          counts: true,
          why: 'decides',
        }),
      ],
    });
  });

  it('shows no more about another person than that a choice was made at this address', async () => {
    const others = { 'ada@mail.test': [uidOf('u2'), 'secret.test'], 'old@mail.test': [uidOf('u1'), 'site.test'] };
    for (const [email, theirs] of Object.entries(others)) {
      for (const args of [[email], ['--json', email]]) {
        const { code, out } = await onecontact(['consent', ...args], env);
        expect(code).toBe(0);
        for (const text of theirs) expect(out).not.toContain(text);
      }
    }
  });

  it('prints a table in which control characters are made visible', async () => {
    const { code, out } = await onecontact(['consent', 'ada@mail.test'], env, undefined, true, 200);
    expect(code).toBe(0);
    const lines = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines.slice(1)).toEqual([
      ['addresses', 'ada@mail.test'],
      ['account', uidOf('u1')],
      ['opted out', 'no'],
      [''],
      ['time (UTC)', 'newsletter', 'act', 'counts', 'why', 'made at', 'source'],
      [
        '2026-01-01 00:00:02',
        'news',
        'subscribe (proven)',
        'no',
        'superseded by a later choice',
        'old@mail.test',
        'https://site.test/\ufffd[31m',
      ],
      [
        '2026-01-01 00:00:06',
        'news',
        'unsubscribe',
        'counts',
        'latest choice for this newsletter',
        'ada@mail.test',
        '-',
      ],
      [''],
    ]);
  });

  it('shows the choices of a deleted account, and says when an account has none', async () => {
    expect((await json('gone@mail.test')).choices).toMatchObject([{ why: 'account_deleted', via: 'own' }]);
    expect((await onecontact(['consent', 'empty@mail.test'], env)).out).toMatch(/\n\nNo choices found\.\n$/);
  });

  it('shows an opt-out made while two contacts were merged on both of them after the undo', async () => {
    await apply(data.db, signup('lone', ['x'], 1), acct('u5', 'main', 2));
    await apply(data.db, acct('u5', 'lone', 3));
    await apply(data.db, optout('main', 4));
    const [merge] = await listMerges(data.db, { limit: 1, uid: uidOf('u5') });
    await apply(data.db, { kind: 'undo', at: at(5), merge: merge as StoredMerge });
    expect(await json('lone@mail.test')).toMatchObject({
      account_id: null,
      opted_out: true,
      choices: [
        { newsletter: 'x', why: 'ended_by_opt_out' },
        { act: 'opt_out', newsletter: '', why: 'stands', via: 'undone_merge', origin: null },
      ],
    });
    expect((await onecontact(['consent', 'lone@mail.test'], env)).out).toMatch(
      /newsletter +all email\n +act +opt_out\n +counts +counts\n +why +opt-out in force\n +made at +another contact, while merged\n/,
    );
  });

  it('shows what a set refuses and what a later reason is about, and the keys of neither', async () => {
    await apply(data.db, signup('chooser', ['x', 'y', 'z'], 1), exactly('chooser', ['z'], 2, { among: ['x', 'z'] }));
    await apply(data.db, exactly('chooser', ['z'], 3), because('chooser', 'less', ['y'], 4));
    const set = { newsletter: null, act: 'set', why: 'decides' };
    expect((await json('chooser@mail.test')).choices).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...set, event_time: iso(2), why: 'superseded', refused: { only: ['x'] } }),
        expect.objectContaining({ ...set, event_time: iso(3), refused: { all_but: ['z'] } }),
        expect.objectContaining({ newsletter: 'y', act: 'reason', reason: 'less', counts: true, why: 'explains' }),
      ]),
    );
    const { out } = await onecontact(['consent', 'chooser@mail.test'], env, undefined, true, 200);
    expect(out).toMatch(/ x +set +no +superseded by a later choice/);
    expect(out).toMatch(/ all but z +set +counts +latest choice for this newsletter/);
    expect(out).toMatch(/ y +reason +counts +reason given for a refusal/);
  });

  it('with --all writes every choice of the ledger with its contact, also those of lost addresses and deleted accounts', async () => {
    const ledger = await all();
    const [{ count } = { count: 0 }] = await data.sql<{ count: number }>('SELECT count(*)::int FROM choice');
    expect(ledger).toHaveLength(count);
    const { contact_id } = await json('bea@mail.test');
    const old = ledger.filter(({ origin }) => origin.key === 'old@mail.test');
    expect(old).toEqual([
      {
        ...{
          event_time: iso(5),
          contact_id,
          origin: { kind: 'address', key: 'old@mail.test' },
          newsletter: 'hers',
        },
        ...{ act: 'subscribe', proven: true, source: 'https://secret.test/', lang: 'fr', format: 'H', reason: null },
        fields: null,
      },
      expect.objectContaining({ event_time: iso(2), contact_id, newsletter: 'news' }),
    ]);
    expect(ledger).toContainEqual(expect.objectContaining({ origin: { kind: 'account', key: uidOf('u3') } }));
  });

  it('with --all writes what is left of an erased person without an origin', async () => {
    await apply(
      data.db,
      acct('e1', 'shared', 1),
      optout('shared', 2),
      acct('e2', 'shared', 3),
      unsub('shared', ['x'], 4),
    );
    await erasePerson(data.db, addressOf('shared'), { erasureKey: 'a key for erasure in tests' });
    const left = (await all()).filter(({ origin }) => origin === null);
    expect(left.length).toBeGreaterThan(0);
    expect(left).toEqual(
      left.map(() => expect.objectContaining({ contact_id: null, origin: null, source: null, reason: null })),
    );
  });

  it('fails for an unknown address, without repeating it', async () => {
    expect(await onecontact(['consent', '--json', 'nobody@mail.test'], env)).toEqual({
      code: 1,
      out: '',
      err: 'onecontact: No contact or choice has this address.\n',
    });
  });

  it('exits with 2 on bad usage, and says what is wrong with an address without repeating it', async () => {
    for (const args of [
      ['consent'],
      ['consent', '--all', 'ada@mail.test'],
      ['consent', 'neither'],
      ['consent', 'a@b@mail.test'],
    ]) {
      const { code, out, err } = await onecontact(args, env);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^error: /);
      expect(err).not.toMatch(/neither|mail\.test/);
    }
  });

  it('lists every reason in its help, and examples', async () => {
    const { code, out } = await onecontact(['consent', '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/\nExamples:\n {2}\$ /);
    expect(out).toMatch(/\n {2}unproven_while_opted_out {2}made while opted out/);
  });
});
