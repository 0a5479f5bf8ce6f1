/** The change feed after a restore: positions from before are refused. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Position } from '../../../src/foundation/cursor';
import { readChanges } from '../../../src/postgres/feed/changes';
import { renewEpoch } from '../../../src/postgres/feed/epoch';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { signup } from '../../support/events';
import { FeedReader, liveContacts } from '../../support/feed-reader';
import { apply } from '../../support/stored';

let data: TestDatabase;
let reader: FeedReader;
beforeEach(async () => {
  data = await freshDatabase();
  await apply(data.db, ...['a', 'b', 'c'].map((name) => signup(name, ['x'], 1)));
  reader = new FeedReader();
  await reader.read(data.db);
});
afterEach(() => data?.drop());

it('a position from before the epoch was renewed is refused, and a reader that begins again gets everything', async () => {
  const before = reader.position;
  expect(await renewEpoch(data.db)).toBe(0);
  expect(await readChanges(data.db, before, 10)).toBe('gone');
  const again = new FeedReader();
  await again.read(data.db);
  expect(again.contacts).toEqual(await liveContacts(data.db));
});

it('a position that is ahead of the server is refused, although the epoch was not renewed', async () => {
  const ahead = { ...(reader.position as Position), changedIn: 2n ** 62n };
  expect(await readChanges(data.db, ahead, 10)).toBe('gone');
});

it('after a dump was restored on another server, nothing is read until the epoch is renewed; then nothing is skipped', async () => {
  await data.sql(
    'UPDATE contact SET changed_in = (2::numeric ^ 60 + row)::text::xid8 FROM (SELECT id, row_number() OVER () AS row FROM contact) AS dumped WHERE dumped.id = contact.id',
  );
  const again = new FeedReader();
  expect(await readChanges(data.db, null, 10)).toBe('not_renewed');
  expect(await renewEpoch(data.db)).toBe(3);
  await again.read(data.db, 2);
  await apply(data.db, signup('b', ['y'], 2), signup('d', ['x'], 2));
  expect(await again.read(data.db, 2)).toHaveLength(2);
  expect(again.contacts).toEqual(await liveContacts(data.db));
});
