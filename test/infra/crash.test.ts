/** A crash at every statement, with a real database and a real broker. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { handleBatch } from '../../src/ingest/batch';
import type { Outcome } from '../../src/ingest/outcome';
import { makeMetrics } from '../../src/observability/metrics';
import type { Database } from '../../src/postgres/database';
import { openConnection } from '../../src/rabbitmq/connection';
import { MAILER_QUEUE } from '../../src/rabbitmq/names';
import { Publisher } from '../../src/rabbitmq/publishing/publisher';
import { Relay } from '../../src/relay/relay';
import type { Row } from '../../tools/table-rows';
import { silent, withBroker } from '../support/broker';
import { crashesOf } from '../support/crashes';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, del, optout, signup, uidOf, unsub } from '../support/events';
import { apply, brokenPromises, canonicalExportOf, DEFAULTS } from '../support/stored';

// Takes seconds on an idle machine, but hundreds of connections and transactions are slow on a busy one.
jest.setTimeout(240_000);

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database?.drop());

const inTable = (rows: readonly Row[], table: string) =>
  rows.filter((row) => row.table === table).map(({ values }) => values);

describe('a crash before and after every statement of a merge', () => {
  let batch: ContactEvent[];

  beforeEach(async () => {
    // Another contact was merged into the one that will be merged, whose token is the one that is kept.
    await apply(database.db, acct('w', 'own', 1), acct('thief', 'own', 2), signup('b', ['x'], 1));
    await apply(database.db, acct('w', 'b', 3));
    await apply(database.db, del('w', 4), acct('u', 'a', 1), signup('a', ['y'], 2));
    batch = [
      signup('new', ['x'], 5),
      acct('u', 'b', 5, { newsletters: ['in-account'], locale: 'de', country: 'de' }),
      acct('other', 'other', 5),
      signup('b', ['z'], 6, { optin: true, profile: { lastName: 'L' } }),
      unsub('a', ['y'], 6),
      optout('new', 7),
      del('thief', 8),
    ];
  });

  /** The expected end, however often the batch was started. */
  function expectOneMerge(where: string, rows: readonly Row[]): void {
    const merges = inTable(rows, 'merge').filter(({ uid }) => uid === uidOf('u'));
    const { id, survivor_id: survivor } = merges[0] ?? {};
    const messages = inTable(rows, 'outbox').filter(({ type, body }) => {
      return (
        type === 'contact.merged' && (body as { survivor: { contact_id: string } }).survivor.contact_id === survivor
      );
    });
    expect({ where, merges, messages }).toMatchObject({
      merges: [{ announced: true, token_reason: 'held_primary_address' }],
      messages: [{ message_id: id, body: { merge_id: id } }],
    });
    expect(inTable(rows, 'contact').filter(({ merged_into }) => merged_into === survivor)).toHaveLength(2);
  }

  it('leaves the database exactly before or after; redelivery completes the batch, with one merge and one message id', async () => {
    const left: string[] = [];
    const exports = new Set<string>();
    for await (const { where, ...crash } of crashesOf(database, (db) => apply(db, ...batch))) {
      // The worker got no answer: the message stays unacknowledged and is redelivered.
      expect({ where, result: crash.result.status }).toEqual({ where, result: 'rejected' });
      expectOneMerge(where, crash.rows);
      exports.add(String(await canonicalExportOf(database.db)));
      // What is committed already is not written again.
      expect({ where, wrote: crash.wrote }).toEqual({ where, wrote: crash.left === 'before' });
      left.push(crash.left);
    }
    // Before COMMIT is done nothing is stored, and after it everything.
    expect(left).toEqual([...left.slice(1).fill('before'), 'after']);
    expect(left.length).toBeGreaterThan(20);
    expect(exports.size).toBe(1);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('is retried by the worker itself if only the connection is lost: all events are applied, and the merge once', async () => {
    const context = {
      options: DEFAULTS,
      log: silent,
      stopping: new AbortController().signal,
      onApplied: () => undefined,
      onFailure: () => undefined,
      onAway: () => undefined,
      onBack: () => undefined,
    };
    const work = async (db: Database) => {
      const items = batch.map((event) => ({ event, outcome: null as Outcome | null }));
      return (await handleBatch(items, { ...context, db })) ? items.map(({ outcome }) => outcome as Outcome) : null;
    };
    for await (const { where, ...crash } of crashesOf(database, work, { back: true })) {
      const outcomes = crash.result.status === 'fulfilled' ? crash.result.value?.map(({ kind }) => kind) : crash.result;
      expect({ where, outcomes }).toEqual({ where, outcomes: batch.map(() => 'ok') });
      expect({ where, left: crash.left, wrote: crash.wrote }).toEqual({ where, left: 'after', wrote: false });
      expectOneMerge(where, crash.rows);
    }
  });
});

describe('a crash before and after every statement of the relay', () => {
  const broker = withBroker();
  let publisher: Publisher;
  let close: () => Promise<void>;

  beforeEach(async () => {
    const connection = await openConnection({ url: broker().url, name: 'crash test', log: silent });
    publisher = new Publisher({ connection, log: silent });
    close = async () => {
      await publisher.close();
      await connection.close();
    };
  });
  afterEach(() => close?.());

  interface Message {
    id: string;
    body: unknown;
  }
  async function arrived(): Promise<Message[]> {
    const channel = await broker().channel();
    const messages: Message[] = [];
    for (;;) {
      const message = await channel.get(MAILER_QUEUE, { noAck: true });
      if (!message) break;
      messages.push({ id: message.properties.messageId, body: JSON.parse(message.content.toString()) });
    }
    await channel.close();
    return messages;
  }

  it('loses no notification; a repeated one has the same content and message id', async () => {
    const notify = { changes: true, confirmations: false };
    const announce = (...events: ContactEvent[]) => applyBatch(database.db, events, { ...DEFAULTS, notify });
    await announce(...['p', 'q'].flatMap((u) => [acct(u, `${u}1`, 1), signup(`${u}2`, ['x'], 2)]));
    await announce(acct('p', 'p2', 3), acct('q', 'q2', 3), signup('p3', ['x'], 3));
    await announce(acct('p', 'p3', 4));
    const written = await database.sql<Message>(`
      SELECT message_id AS id, body FROM outbox
      UNION ALL
      SELECT message_id, json_build_object('contact_id', contact_id, 'version', version, 'changed', parts)
      FROM outbox_changes, unnest(message_ids, contact_ids, versions) AS x (message_id, contact_id, version)`);
    expect(written.length).toBeGreaterThanOrEqual(3);
    const sorted = (ids: Iterable<string>): string[] => [...ids].sort();

    /** A relay's whole life: one pass, and the last one at its stop. */
    const work = (db: Database) => new Relay({ db, publisher, metrics: makeMetrics(), log: silent }).stop();
    const twice: string[] = [];
    for await (const { where, ...crash } of crashesOf(database, work)) {
      const messages = await arrived(); // at the first crash, also what the undisturbed run has published
      const ids = new Set(messages.map(({ id }) => id));
      expect({ where, ids: sorted(ids) }).toEqual({ where, ids: sorted(written.map(({ id }) => id)) });
      for (const message of messages) expect(written).toContainEqual(message);
      expect(messages.length).toBeLessThanOrEqual(2 * written.length);
      const left = ['outbox', 'outbox_changes'].flatMap((table) => inTable(crash.rows, table));
      expect({ where, left }).toEqual({ where, left: [] });
      if (messages.length > written.length) twice.push(where);
    }
    // So a crash between publishing and deleting was among them.
    expect(twice).toContainEqual(expect.stringMatching(/^before .*DELETE FROM outbox/));
  });
});
