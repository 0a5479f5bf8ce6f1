/** Every process must have the key that people were erased with: the check, and the moment of the first erasure. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { readConfig, SERVICE_NEEDS } from '../../../src/config';
import type { ContactEvent } from '../../../src/contacts/facts/event';
import { type Applied, applyBatch } from '../../../src/ingest/apply/transaction';
import { startService } from '../../../src/main';
import { type Erased, erasePerson } from '../../../src/operations/erase/run';
import { importRecords } from '../../../src/operations/import/store';
import type { Database } from '../../../src/postgres/database';
import { failureOf } from '../../../src/postgres/errors';
import { PrismaClient } from '../../../src/postgres/generated/prisma/client';
import { requireErasureKey, WrongErasureKeyError } from '../../../src/postgres/tables/erasure';
import { silent } from '../../support/broker';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, addressOf, del, signup } from '../../support/events';
import { gate, waiting } from '../../support/gate';
import { DEFAULTS } from '../../support/stored';
import { tracesOf } from '../../support/traces';

const KEY = 'a key for erasure in tests';
const OTHER_KEY = 'another key for erasure';

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database?.drop());

const applyWith = (erasureKey: string | null, ...events: ContactEvent[]): Promise<Applied> =>
  applyBatch(database.db, events, { ...DEFAULTS, erasureKey });
const erase = (name: string, erasureKey = KEY): Promise<Erased> =>
  erasePerson(database.db, addressOf(name), { erasureKey });
const tracesOfPerson = (name: string): Promise<unknown[]> => tracesOf(database, [addressOf(name).key]);

describe('the erasure key', () => {
  it('must be the same for every erasure, and for every service that starts', async () => {
    await erasePerson(database.db, addressOf('keyed'), { erasureKey: KEY });
    await expect(erasePerson(database.db, addressOf('x'), { erasureKey: OTHER_KEY })).rejects.toThrow(/not the key/);
    const config = { AMQP_URL: 'amqp://127.0.0.1:1', DATABASE_URL: database.url, HTTP_PORT: '0' };
    const start = (erasureKey: string) =>
      startService(readConfig({ ...config, ERASURE_KEY: erasureKey }, SERVICE_NEEDS), { log: silent });
    await expect(start('')).rejects.toThrow(/^People were erased .* ERASURE_KEY is not set: set it to the key/);
    await expect(start(OTHER_KEY)).rejects.toThrow(/^ERASURE_KEY is not the key with which people were erased/);
    await requireErasureKey(database.db, KEY);
  });

  it.each([
    ['no key', null],
    ['another key', OTHER_KEY],
  ])(
    'is checked in each batch: after the first erasure, a worker with %s stores nothing, and its messages are not at fault',
    async (_what, key) => {
      await applyWith(key, signup('before', ['x'], 1));
      await erase('before');
      for (const event of [signup('before', ['x'], 1), signup('new', ['x'], 2), acct('u1', 'u1', 3), del('u2', 4)]) {
        const failed = await applyWith(key, event).then(
          () => null,
          (error) => error,
        );
        expect(failed).toBeInstanceOf(WrongErasureKeyError);
        expect(failureOf(failed)).toEqual({ kind: 'down', code: 'erasure_key' });
      }
      for (const name of ['before', 'new', 'u1']) expect(await tracesOfPerson(name)).toEqual([]);
      await applyWith(KEY, signup('new', ['x'], 2));
      expect(await tracesOfPerson('new')).not.toEqual([]);
    },
  );

  it('is checked in each batch of an import', async () => {
    await erase('before');
    await expect(importRecords(database.db, [], { erasureKey: null, dryRun: false })).rejects.toThrow(
      WrongErasureKeyError,
    );
  });

  it('waits, before the first erasure, for a worker that has found none yet, and erases what this worker stores', async () => {
    await applyWith(null, signup('held', ['x'], 1));
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [
      addressOf('held').key,
    ]);
    // The batch has looked for a key, and waits for a row.
    const batch = applyWith(null, signup('held', ['y'], 2), signup('person', ['x'], 3));
    await waiting(database, 1);
    const erasure = erase('person');
    await waiting(database, 2);
    await open();
    await batch;
    expect((await erasure).known).toBe(true);
    expect(await tracesOfPerson('person')).toEqual([]);
    await expect(applyWith(null, signup('person', ['x'], 3))).rejects.toThrow(WrongErasureKeyError);
  });

  it('is found by a worker that starts a batch during the first erasure', async () => {
    await applyWith(null, signup('person', ['x'], 1));
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [
      addressOf('person').key,
    ]);
    const erasure = erase('person');
    await waiting(database, 1);
    const batch = applyWith(null, signup('person', ['x'], 1));
    const refused = expect(batch).rejects.toThrow(WrongErasureKeyError);
    await waiting(database, 2);
    await open();
    expect((await erasure).known).toBe(true);
    await refused;
    expect(await tracesOfPerson('person')).toEqual([]);
  });

  it('lets only the first erasure wait for other readers of the table, and this one fails with a sentence before it holds them up', async () => {
    await applyWith(null, signup('first', ['x'], 1), signup('second', ['x'], 1));
    const endBackup = await gate(database, 'SELECT FROM erasure');
    await expect(erase('first')).rejects.toThrow(
      /^Another session, such as a backup, .* first erasure must lock: run the command again/,
    );
    await endBackup();
    await erase('first');
    const endNext = await gate(database, 'SELECT FROM erasure');
    expect((await erase('second')).known).toBe(true);
    await endNext();
  });

  it('costs a batch one statement, whatever its size', async () => {
    const statements: string[] = [];
    const client = new PrismaClient({
      adapter: new PrismaPg({ connectionString: database.url }),
      log: [{ emit: 'event', level: 'query' }],
    });
    client.$on('query', ({ query }) => statements.push(query));
    const cost = async (n: number, erasureKey: string | null, prefix: string): Promise<number> => {
      const events = Array.from({ length: n }, (_, i) => [
        acct(`${prefix}${i}`, `${prefix}${i}`, 1),
        signup(`${prefix}-lone${i}`, ['x'], 2),
      ]).flat();
      statements.length = 0;
      await applyBatch(client as unknown as Database, events, { ...DEFAULTS, erasureKey });
      return statements.length;
    };
    const without = await cost(5, null, 'cost-a');
    expect(await cost(5, KEY, 'cost-b')).toBe(without + 1);
    expect(await cost(300, KEY, 'cost-c')).toBe(without + 1);
    await client.$disconnect();
  });
});
