/** Which failures of a database are waited for at the start, with real errors of PostgreSQL and of the system. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OperatorError } from '../../src/foundation/operator-error';
import { awaitDatabase } from '../../src/postgres/await-database';
import { openDatabase } from '../../src/postgres/database';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';

describe('a start', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await database.sql(`
      CREATE FUNCTION refuse(state text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'refused' USING ERRCODE = state; END $$`);
  });
  afterAll(() => database?.drop());

  /** Fails twice. @returns how often it was tried */
  async function triesOf(fail: () => Promise<unknown>): Promise<number> {
    let tries = 0;
    await awaitDatabase(async () => {
      tries += 1;
      if (tries <= 2) await fail();
    }, silent);
    return tries;
  }
  const failWith = (state: string) => () => database.db.$queryRaw`SELECT refuse(${state})::text`;

  it.each([
    ['shuts down', '57P01'],
    ['crashed', '57P02'],
    ['is starting', '57P03'],
    ['has no connection left', '53300'],
    ['has no memory left', '53200'],
    ['has a full disk', '53100'],
    ['takes no writes', '25006'],
    ['lost the connection', '08006'],
    ['has a lock that another session holds', '55P03'],
  ])('waits for a server that %s (%s)', async (_, state) => {
    expect(await triesOf(failWith(state))).toBe(3);
  });

  it.each([
    ['the user', '28000'],
    ['the password', '28P01'],
    ['the name of the database', '3D000'],
    ['a right', '42501'],
  ])('refuses to wait for a server that refuses %s (%s): it says what to do', async (_, state) => {
    await expect(triesOf(failWith(state))).rejects.toThrow(OperatorError);
    await expect(triesOf(failWith(state))).rejects.toThrow(/^The database cannot be used \(\w+\): ./);
  });

  it('does not repeat an error that is a bug, or a refusal by our own checks', async () => {
    await expect(triesOf(failWith('22012'))).rejects.toThrow();
    const refusal = new OperatorError('The database is 2 migrations behind this version.');
    await expect(triesOf(() => Promise.reject(refusal))).rejects.toBe(refusal);
  });

  it.each([
    ['whose name does not resolve', 'no-such-host.invalid:5432'],
    ['that refuses connections', '127.0.0.1:1'],
  ])('waits for a host %s', async (_, host) => {
    const away = openDatabase({ url: `postgresql://ada:secret@${host}/x`, name: 'test', max: 1 });
    expect(await triesOf(() => away.$queryRaw`SELECT 1`)).toBe(3);
    await away.$disconnect();
  });
});
