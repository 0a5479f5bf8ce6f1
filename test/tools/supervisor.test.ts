import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Job, keep } from '../../tools/services/keep';

/** A stand-in for a server: reports that it is up and keeps running. */
const SERVER = "console.log('up', process.pid); setInterval(() => {}, 1000)";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'onecontact-test-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function job(script: string): Job {
  const step = { command: process.execPath, args: ['--eval', script], env: process.env };
  return {
    folder: join(home, 'kept'),
    files: [{ path: join(home, 'kept', 'file'), content: 'x' }],
    steps: [{ ...step, until: 'up', timeoutMs: 10_000, signal: 'SIGKILL' }],
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('stop() ends the server and removes its folder', async () => {
  const { output, stop } = await keep(job(SERVER));
  const pid = Number(/up (\d+)/.exec(output)?.[1]);
  expect(isAlive(pid)).toBe(true);
  expect(existsSync(join(home, 'kept', 'file'))).toBe(true);
  await stop();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(home, 'kept'))).toBe(false);
});

test('a failed start rejects with the end of the log and leaves nothing behind', async () => {
  await expect(keep(job("console.log('the disk is full'); process.exit(3)"))).rejects.toThrow(
    /exit code 3.*the disk is full/s,
  );
  expect(existsSync(join(home, 'kept'))).toBe(false);
});

test('a server and its folder do not outlive a parent that is killed with SIGKILL', async () => {
  // This process must not be the parent, because the parent is killed.
  const supervisor = join(__dirname, '../../tools/services/supervisor.mjs');
  const script = `
    const supervisor = require('node:child_process').spawn(process.execPath, [${JSON.stringify(supervisor)}], {
      detached: true, stdio: ['pipe', 'inherit', 'ignore'] });
    supervisor.stdin.write(${JSON.stringify(`${JSON.stringify(job(SERVER))}\n`)});`;
  const parent = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: parent.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  const pid = Number(/up (\d+)/.exec(line)?.[1]);
  expect(isAlive(pid)).toBe(true);

  parent.kill('SIGKILL');
  await once(lines, 'close'); // the supervisor, which inherited this pipe, has ended too

  expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(home, 'kept'))).toBe(false);
});
