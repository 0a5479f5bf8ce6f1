import { afterEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { until } from '../support/broker';
import { promtool, startPgBouncer, startPostgres, startRabbitMq } from '../support/infra';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const stopLater = <T extends { stop(): Promise<unknown> }>(server: T): T => {
  stops.push(() => server.stop());
  return server;
};

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

describe('the servers of these tests', () => {
  it('a standby follows its primary, and takes writes once it is promoted and the switch leads there', async () => {
    const primary = stopLater(await startPostgres());
    await ask(primary.url, 'CREATE TABLE before AS SELECT 1 AS n');
    const standby = stopLater(await primary.startStandby());
    const proxy = await TcpProxy.to(primary.url);
    stops.push(() => proxy.close());
    const url = proxy.through(primary.url);
    await ask(url, 'CREATE TABLE after AS SELECT 2 AS n');
    expect(await ask(standby.url, 'SELECT pg_is_in_recovery()')).toBe(true);
    await until(async () => (await ask(standby.url, "SELECT to_regclass('after')::text")) === 'after');
    await primary.down('killed');
    await standby.promote();
    proxy.lead(standby.url);
    await ask(url, 'INSERT INTO after VALUES (3)');
    expect(await ask(url, 'SELECT sum(n)::int FROM (TABLE after UNION TABLE before) AS all_rows')).toBe(6);

    const next = stopLater(await standby.startStandby());
    await ask(url, 'INSERT INTO after VALUES (4)');
    await until(async () => (await ask(next.url, 'SELECT count(*)::int FROM after')) === 3);
  });

  it('a pooler passes plain sessions on, and can be killed and started again', async () => {
    const database = stopLater(await startPostgres());
    const pooler = stopLater(await startPgBouncer({ url: database.url }));
    expect(await ask(pooler.url, 'SELECT 7')).toBe(7);
    await pooler.down('killed');
    await expect(ask(pooler.url, 'SELECT 7')).rejects.toThrow();
    await pooler.restart();
    expect(await ask(pooler.url, 'SELECT 7')).toBe(7);
  });

  it.each(['3.10', '4.0', '4.3'])('a broker of version %s starts', async (version) => {
    const broker = stopLater(await startRabbitMq({ version }));
    expect(broker.version.startsWith(`${version}.`)).toBe(true);
    expect(await broker.ctl('list_vhosts')).toContain('/');
  });

  it('promtool checks rules', async () => {
    await expect(promtool('check', 'rules', '/nonexistent.yml')).rejects.toThrow('promtool check failed');
  });
});
