import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXCHANGES, QUEUES } from '../../src/rabbitmq/names';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { Visitor } from '../support/visitor';

const CHECKOUT = resolve(__dirname, '../..');

const start = (env: NodeJS.ProcessEnv, args: string[] = []) =>
  spawn(process.execPath, ['tools/run.mjs', 'script', 'tools/demo/main.ts', ...args], {
    cwd: CHECKOUT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });

async function demo(env: NodeJS.ProcessEnv, args?: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = start(env, args);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

it('the help of the demo fits a terminal of 80 columns and needs no servers', async () => {
  const { code, out } = await demo({}, ['--help']);
  expect([code, tooWide(out)]).toEqual([0, []]);
  expect(out).toContain('--verbose');
  expect(out).toContain('--console');
});

it('the demo says in one sentence that a server cannot be downloaded without a network, and what to do', async () => {
  const home = mkdtempSync(join(tmpdir(), 'onecontact-test-'));
  const { code, err } = await demo({
    HOME: home,
    ONECONTACT_SERVICES: 'fetch',
    npm_config_registry: 'http://127.0.0.1:1/',
    http_proxy: 'http://127.0.0.1:1',
  });
  rmSync(home, { recursive: true });
  expect(code).toBe(1);
  expect(err).toMatch(
    /^PostgreSQL cannot be downloaded: the npm registry cannot be reached \(ECONNREFUSED\)\. Check .*$/m,
  );
});

const tooWide = (output: string): string[] => output.split('\n').filter((line) => line.length > 80);

describe('the demo, on a broker and a database named by the user', () => {
  const broker = withBroker();
  let data: TestDatabase;
  beforeAll(async () => {
    data = await freshDatabase({ migrated: false });
  });
  afterAll(() => data?.drop());
  const env = (): NodeJS.ProcessEnv => ({ TEST_AMQP_URL: broker().url, TEST_DATABASE_URL: data.url });

  async function emptyBroker(): Promise<void> {
    const channel = await broker().channel();
    for (const queue of QUEUES) await broker().deleteQueue(queue);
    for (const exchange of EXCHANGES) await channel.deleteExchange(exchange);
  }

  async function expectNothingLeft(): Promise<void> {
    const left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    const types = "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace";
    const functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    expect([await data.sql(left), await data.sql(types), await data.sql(functions)]).toEqual([[], [], []]);
    for (const queue of QUEUES) {
      const probe = await broker().channel();
      await expect(probe.checkQueue(queue)).rejects.toThrow(/NOT_FOUND/);
    }
  }

  it('refuses a broker that already has our queues, and changes nothing', async () => {
    const { code, err } = await demo(env());
    expect([code, err]).toEqual([1, expect.stringContaining('already has the queue')]);
    expect(await broker().ready(QUEUES[0])).toBe(0);
  });

  it('shows both workflows and the recreated account, passes every check, and leaves nothing behind', async () => {
    await emptyBroker();
    // The demo would fail if it used these.
    const { code, out } = await demo({
      ...env(),
      AMQP_URL: 'amqp://127.0.0.1:1',
      DATABASE_URL: 'postgresql://127.0.0.1:1/x',
    });
    expect(out).toMatch(/\nAll \d+ checks passed in [\d.]+ s\n/);
    expect([code, out.includes('✗'), out.includes('\u001b[')]).toEqual([0, false, false]);
    expect(out.match(/^\d {2}\S/gm)).toHaveLength(3); // scenes
    expect(out.match(/^ +Subject: .+/gm)).toHaveLength(2); // the mails of the first scene
    expect(out).toMatch(/^ +token\.retired +[0-9a-f-]{36}$/m);
    expect(out).not.toContain('"merge_id"');
    expect(tooWide(out)).toEqual([]);
    await expectNothingLeft();
  });

  it('leaves a console open with --console, prints the key to sign in, and ends with 0 on Ctrl-C, with nothing left', async () => {
    await emptyBroker();
    const child = start(env(), ['--console']);
    const exited = once(child, 'exit');
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      out += chunk;
    });
    const err = text(child.stderr);
    await until(() => child.exitCode !== null || out.includes('Ctrl-C closes it'), 120_000);
    const url = /Open {5}(http:\S+)/.exec(out)?.[1] as string;
    const staff = await Visitor.signedIn(url, /API key {2}(\S+)/.exec(out)?.[1]);
    expect((await staff.submit('/', '/find', { key: 'cleo@mail.test' })).location).toMatch(/^\/contacts\//);
    await until(async () => (await staff.get('/dead-letters')).text.includes('2 dead letters'));
    child.kill('SIGINT');
    expect([(await exited)[0], await err, out.match(/✗.*\n.*/g), tooWide(out)]).toEqual([0, '', null, []]);
    expect(out).toMatch(/\nClosing the console, cleaning up …\n$/);
    await expectNothingLeft();
  });

  it('ends quietly with 130 on Ctrl-C, and leaves nothing behind', async () => {
    await emptyBroker();
    const child = start(env(), ['--verbose']);
    const exited = once(child, 'exit');
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const isFirst = !out.includes('→');
      out += chunk;
      if (isFirst && out.includes('→')) child.kill('SIGINT');
    });
    const [err, [code]] = await Promise.all([text(child.stderr), exited]);
    expect({ code, err, failed: out.match(/✗.*\n.*/g) }).toEqual({ code: 130, err: '', failed: null });
    expect(out).toContain('"event": "verified"'); // the message in full
    expect(out).toMatch(/\nInterrupted: cleaning up …\n$/);
    await expectNothingLeft();
  });
});
