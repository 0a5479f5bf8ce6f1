import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXCHANGES, QUEUES } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';

const CHECKOUT = resolve(__dirname, '../..');

async function demo(env: NodeJS.ProcessEnv): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, ['tools/run.mjs', 'script', 'tools/demo/main.ts'], {
    cwd: CHECKOUT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

describe('the demo, on a broker and a database named by the user', () => {
  const broker = withBroker();
  let data: TestDatabase;
  beforeAll(async () => {
    data = await freshDatabase({ migrated: false });
  });
  afterAll(() => data?.drop());
  const env = (): NodeJS.ProcessEnv => ({ TEST_AMQP_URL: broker().url, TEST_DATABASE_URL: data.url });

  it('refuses a broker that already has our queues, and changes nothing', async () => {
    const { code, err } = await demo(env());
    expect([code, err]).toEqual([1, expect.stringContaining('already has the queue')]);
    expect(await broker().ready(QUEUES[0])).toBe(0);
  });

  it('shows both workflows and the recreated account, passes every check, and leaves nothing behind', async () => {
    const channel = await broker().channel();
    for (const queue of QUEUES) await broker().deleteQueue(queue);
    for (const exchange of EXCHANGES) await channel.deleteExchange(exchange);

    // The demo would fail if it used these.
    const { code, out } = await demo({
      ...env(),
      AMQP_URL: 'amqp://127.0.0.1:1',
      DATABASE_URL: 'postgresql://127.0.0.1:1/x',
    });
    expect(out).toMatch(/\nAll \d+ checks passed in [\d.]+ s\n/);
    expect([code, out.includes('✗'), out.includes('\u001b[')]).toEqual([0, false, false]);
    expect(out.match(/^\d {2}\S/gm)).toHaveLength(3); // scenes
    expect(out).toContain('"merge_id"');
    expect(out.match(/^ +Subject: .+/gm)).toHaveLength(2); // the mails of the first scene

    const left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    const types = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace";
    expect([await data.sql(left), await data.sql(types)]).toEqual([[], []]);
    for (const queue of QUEUES) {
      const probe = await broker().channel();
      await expect(probe.checkQueue(queue)).rejects.toThrow(/NOT_FOUND/);
    }
  });
});
