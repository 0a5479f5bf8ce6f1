/** The console as a part of the service: when it starts, and where it listens. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { KEY, Visitor } from '../support/visitor';

const folder = mkdtempSync(join(tmpdir(), 'onecontact-console-'));
const keysFile = join(folder, 'keys');
const socket = join(folder, 'console.sock');

let data: TestDatabase;
beforeAll(async () => {
  writeFileSync(keysFile, `ada operate ${KEY}\nbob read,write,vouch a-key-that-reads\n`);
  data = await freshDatabase();
});
afterAll(async () => {
  await data?.drop();
  rmSync(folder, { recursive: true });
});

let service: Service | null = null;
afterEach(async () => {
  await service?.stop();
  service = null;
});

const NEEDS = SERVICE_NEEDS.filter((need) => need !== 'broker');

async function start(variables: NodeJS.ProcessEnv): Promise<Service> {
  const env = { DATABASE_URL: data.url, HTTP_PORT: '0', CONSOLE_PORT: '0', ...variables };
  service = await startService(readConfig(env, NEEDS), { only: ['console'], log: silent });
  return service;
}

/** The status of an answer over the socket. */
const statusOver = (socketPath: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path: '/', headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

describe('the console', () => {
  it('runs without a broker, for the holders of a key with the scope operate', async () => {
    const { consoleUrl, url } = await start({ API_KEYS_FILE: keysFile });
    expect(consoleUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await (await Visitor.signedIn(consoleUrl as string)).get('/')).status).toBe(200);
    expect((await fetch(`${url}/__heartbeat__`)).status).toBe(200);
  });

  it('does not start if no operator could sign in', async () => {
    writeFileSync(join(folder, 'readers'), 'bob read,write,vouch a-key-that-reads\n');
    for (const keys of [{}, { API_KEY: 'a-key-that-reads' }, { API_KEYS_FILE: join(folder, 'readers') }]) {
      await expect(start(keys)).rejects.toThrow(
        'No operator could sign in to the console: add a key with the scope operate to API_KEYS_FILE, or set CONSOLE_TRUST_HEADER.',
      );
    }
  });

  it('trusts a header on a Unix socket that only its owner and group may use, and takes the place of one that was left', async () => {
    const listenAndDie =
      "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    spawnSync(process.execPath, ['-e', listenAndDie, socket]);
    expect(statSync(socket).isSocket()).toBe(true);
    const trusting = { CONSOLE_SOCKET: socket, CONSOLE_TRUST_HEADER: 'X-User', CONSOLE_HOST: '0.0.0.0' };
    expect((await start(trusting)).consoleUrl).toBe(`unix:${socket}`);
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    expect(await statusOver(socket, { host: 'localhost', 'x-user': 'ada' })).toBe(200);
    expect(await statusOver(socket, { host: 'localhost' })).toBe(303);
  });

  it('leaves a file, and the socket of another console, as they are', async () => {
    const trusting = { CONSOLE_TRUST_HEADER: 'X-User' };
    await expect(start({ ...trusting, CONSOLE_SOCKET: keysFile })).rejects.toThrow('another process or file is there');
    const { stop } = await start({ ...trusting, CONSOLE_SOCKET: socket });
    await expect(start({ ...trusting, CONSOLE_SOCKET: socket })).rejects.toThrow('another process or file is there');
    expect(await statusOver(socket, { host: 'localhost', 'x-user': 'ada' })).toBe(200);
    await stop();
  });

  it('does not trust a header on an address that others reach', () => {
    const env = { DATABASE_URL: data.url, CONSOLE_TRUST_HEADER: 'X-User', CONSOLE_HOST: '0.0.0.0' };
    expect(() => readConfig(env, NEEDS)).toThrow(
      'CONSOLE_TRUST_HEADER: would let everyone who reaches CONSOLE_HOST be anyone: set CONSOLE_SOCKET, or a loopback CONSOLE_HOST',
    );
  });

  it('says which port is taken', async () => {
    const { consoleUrl } = await start({ API_KEYS_FILE: keysFile });
    const { port } = new URL(consoleUrl as string);
    const first = service as Service;
    await expect(start({ API_KEYS_FILE: keysFile, CONSOLE_PORT: port })).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is already in use: set CONSOLE_PORT to another port.`,
    );
    service = first;
  });
});
