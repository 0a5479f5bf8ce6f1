/** What an import takes of a record: refusals above all, and what it cannot date or read. */
import { describe, expect, it, jest } from '@jest/globals';
import { acct, addressOf, at, exactly, optout, signup, uidOf, unsub } from '../../support/events';
import { RECORDS, useImports } from '../../support/imports';
import { ctms, idOf, newsletter, type Said } from '../../support/records';
import { apply, brokenPromises, canonicalExportOf } from '../../support/stored';

jest.setTimeout(240_000);

const imports = useImports();
const { empty, file, importing, rejectsOf, run, summary, viewOf } = imports;

describe('onecontact import, refusals', () => {
  const NEVER = { create_timestamp: null, update_timestamp: null };
  const undated = (name: string, subscribed: boolean) => ({ ...newsletter(name, subscribed, 1), ...NEVER });

  it('does not lift an opt-out with the confirmation of a record that does not say when it was created', async () => {
    await apply(imports.data.db, optout('a', 6));
    const email = { double_opt_in: true, create_timestamp: null };
    await importing(file([{ a: 'a', written: 11, email, newsletters: [newsletter('x', true, 9)] }]));
    expect(await viewOf('a')).toMatchObject({
      opted_out: true,
      double_opt_in: true,
      newsletters: { x: { state: 'unsubscribed' } },
    });
  });

  it('does not undo an unsubscribe with a subscription that has no time, and shows such a one without a time', async () => {
    await apply(imports.data.db, unsub('a', ['x'], 6));
    await importing(file([{ a: 'a', written: 11, newsletters: [undated('x', true), undated('y', true)] }]));
    expect((await viewOf('a')).newsletters).toMatchObject({
      x: { state: 'unsubscribed', since: new Date(at(6)).toISOString() },
      y: { state: 'subscribed', since: null },
    });
    const { out } = await run('consent', addressOf('a').key);
    expect(out).toMatch(
      /\ntime \(UTC\) unknown\n +newsletter +y\n +act +subscribe\n +counts +counts\n +why +latest choice for this newsletter\n/,
    );
  });

  it('does not bring back what exactly these newsletters had ended, whichever came first', async () => {
    const records: Said[] = [
      { a: 'a', written: 11, newsletters: [newsletter('x', true, 5), newsletter('y', true, 9)] },
    ];
    await apply(imports.data.db, exactly('a', ['z'], 7));
    await importing(file(records));
    await importing(file([{ a: 'b', written: 11, newsletters: [newsletter('x', true, 5), newsletter('y', true, 9)] }]));
    await apply(imports.data.db, exactly('b', ['z'], 7));
    for (const name of ['a', 'b']) {
      expect((await viewOf(name)).newsletters).toMatchObject({
        x: { state: 'unsubscribed', since: new Date(at(7)).toISOString() },
        y: { state: 'subscribed' },
        z: { state: 'subscribed' },
      });
    }
  });

  it('lets a refusal without a time count once: a subscription after the first import stays when it is imported again', async () => {
    const now = Date.now() / 1_000 - at(0) / 1_000;
    const records: Said[] = [
      { a: 'a', email: NEVER, newsletters: [undated('x', false)] },
      { a: 'b', email: { ...NEVER, has_opted_out_of_email: true } },
    ];
    await apply(imports.data.db, signup('a', ['x'], now - 60), signup('b', ['x'], now - 60, { optin: true }));
    const path = file(records);
    expect(await importing(path)).toMatchObject({ code: 1 }); // both addresses were known: `address_taken`
    expect(await viewOf('a')).toMatchObject({ newsletters: { x: { state: 'unsubscribed' } } });
    expect(await viewOf('b')).toMatchObject({ opted_out: true });
    await apply(imports.data.db, signup('a', ['x'], now + 60), signup('b', ['x'], now + 60, { optin: true }));
    await importing(path);
    await importing(file([...records, { a: 'c' }]));
    expect(await imports.data.sql('SELECT FROM first_import')).toHaveLength(2);
    expect(await viewOf('a')).toMatchObject({ newsletters: { x: { state: 'subscribed' } } });
    expect(await viewOf('b')).toMatchObject({ opted_out: false });
  });

  it('takes a record without any time', async () => {
    const email = { ...NEVER, first_name: 'Ada' };
    await importing(file([{ a: 'a', u: 'u', email, fxa: { created_date: null } }]));
    await apply(imports.data.db, acct('v', 'a', 1), signup('a', [], 2, { profile: { firstName: 'Bob' } }));
    expect(await brokenPromises(imports.data)).toEqual([]);
    expect(await viewOf('a')).toMatchObject({ account_id: uidOf('v'), first_name: 'Bob' });
  });

  it('takes the refusals of a record with unusable fields, counts it apart, and reports the fields', async () => {
    const path = file([
      {
        ...{ a: 'a', u: 'u', deleted: true, email: { has_opted_out_of_email: true } },
        fxa: { fxa_id: `DUPE:${'a'.repeat(32)}` },
        newsletters: [{ name: 'x' }, newsletter('y', false, 1)],
      },
      { a: 'b' },
    ]);
    const { code, out } = await importing(path);
    expect([code, out]).toEqual([1, expect.stringContaining('\n  1  imported without their unusable fields\n')]);
    expect(await viewOf('a')).toMatchObject({ opted_out: true, newsletters: { y: { state: 'unsubscribed' } } });
    expect(rejectsOf(path)).toMatchObject([
      {
        ...{ line: 1, reason: 'invalid_fields' },
        problems: [expect.stringMatching(/^fxa\.fxa_id: /), expect.stringMatching(/^newsletters\.0\.subscribed: /)],
        record: { email: { email_id: idOf('a') } },
      },
    ]);
    expect(await summary(path)).toMatchObject({ records: 2, imported: 2, incomplete: 1, rejected: {}, partly: {} });
  });

  it('takes waitlists with their fields, which consent shows and an unsubscribe from the list ends', async () => {
    const on = (t: number) => ({ create_timestamp: null, update_timestamp: new Date(at(t)).toISOString() });
    const list = {
      name: 'vpn-bundle',
      subscribed: true,
      source: null,
      fields: { geo: 'fr', n: 2, yes: true },
      ...on(2),
    };
    const path = file([
      { a: 'a', waitlists: [list, { ...list, name: 'relay', subscribed: false, fields: { geo: 'de' } }] },
    ]);
    expect(await importing(path)).toMatchObject({ code: 0 });
    const before = await imports.rows();
    await importing(path);
    expect(await imports.rows()).toEqual(before);
    const { out } = await run('consent', '--json', addressOf('a').key);
    expect(JSON.parse(out).choices).toMatchObject([
      { newsletter: 'relay-waitlist', act: 'unsubscribe', fields: { geo: 'de' } },
      { newsletter: 'vpn-bundle-waitlist', act: 'subscribe', fields: { geo: 'fr', n: 2, yes: true } },
    ]);
    await apply(imports.data.db, unsub('a', ['vpn-bundle-waitlist'], 3));
    expect((await viewOf('a')).newsletters).toMatchObject({
      'vpn-bundle-waitlist': { state: 'unsubscribed' },
      'relay-waitlist': { state: 'unsubscribed' },
    });
  });

  it.each([
    ['fr', 'gb'],
    ['gb', 'fr'],
  ])('keeps the greater fields of two waitlists of one time, in any order: %s, %s', async (...places) => {
    const list = (geo: string) => ({ ...newsletter('w', true, 2), fields: { geo } });
    for (const geo of places) await importing(file([{ a: 'a', waitlists: [list(geo)] }], `${geo}.ndjson`));
    expect(await imports.data.sql('SELECT fields FROM choice')).toEqual([{ fields: '{"geo":"gb"}' }]);
  });

  it('takes only the refusals of a record whose address is refused today, and only if a contact has it', async () => {
    const odd = (name: string) => ({ key: `${name},x@mail.test`, typed: `${name},x@mail.test` });
    await apply(imports.data.db, { ...signup('a', ['x'], 1), to: { address: odd('a') } });
    const said = (name: string): Said => ({
      ...{ a: name, u: `u-${name}`, written: 5, newsletters: [newsletter('x', false, 3), newsletter('y', true, 3)] },
      email: { primary_email: odd(name).typed, has_opted_out_of_email: true },
    });
    const path = file([said('a'), said('b')]);
    expect(await summary(path)).toMatchObject({
      ...{ imported: 0, rejected: { invalid_address: 1 }, partly: { refusals_only: 1 }, incomplete: 0 },
    });
    expect(rejectsOf(path).map(({ line, reason }) => [line, reason])).toEqual([
      [1, 'refusals_only'],
      [2, 'invalid_address'],
    ]);
    expect((await canonicalExportOf(imports.data.db)).map((line) => JSON.parse(line))).toMatchObject([
      { addresses: [odd('a').key], account: null, opted_out: true, newsletters: { x: 'unsubscribed' } },
    ]);
    expect(await brokenPromises(imports.data)).toEqual([]);
  });

  it('names and counts what it does not take', async () => {
    const record = { ...ctms({ a: 'a' }), amo: { user_id: '1' }, mofo: { mofo_relevant: true }, products: [] };
    const path = file([JSON.stringify(record), JSON.stringify({ ...ctms({ a: 'b' }), amo: { user_id: '2' } })]);
    const { code, out } = await importing(path);
    expect(code).toBe(0);
    expect(out).toMatch(/\n {2}2 {2}with amo, which is not imported\n {2}1 {2}with mofo, which is not imported\n/);
  });

  it('counts contacts that are mailed at another address from now on, and not those whose claim is held', async () => {
    const { out } = await importing(file([{ a: 'a', u: 'u', p: 'own', written: 5 }]));
    expect(out).toContain("\n  1  mailed at their account's address from now on\n");
    await empty();
    const path = file([{ a: 'a', u: 'u', p: 'b', written: 5 }], 'first.ndjson');
    expect(await summary(path)).toMatchObject({ readdressed: 1, held: 0 });
    expect(await summary(file([{ a: 'b' }], 'second.ndjson'))).toMatchObject({ readdressed: 0, held: 1 });
    expect(await imports.data.sql('SELECT FROM outbox')).toEqual([]);
  });

  it('announces the new primary address when the claim on it is released', async () => {
    await importing(file(RECORDS.slice(0, 2)));
    expect((await run('collisions', 'resolve')).code).toBe(0);
    expect(
      await imports.data.sql(
        `SELECT type, coalesce(body->'survivor', body->'contact', body)->>'primary_email' AS mailed FROM outbox`,
      ),
    ).toEqual([
      { type: 'contact.merged', mailed: addressOf('B').typed },
      { type: 'contact.email_changed', mailed: addressOf('B').typed },
    ]);
  });
});
