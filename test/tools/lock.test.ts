import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withLock } from '../../tools/bootstrap/lock.cjs';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onecontact-test-'));
  file = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const neverWaits = (): void => {
  throw new Error('the lock was free');
};

test('the lock is held during the work and released afterwards, also when the work fails', async () => {
  await withLock(file, neverWaits, async () => expect(readFileSync(file, 'utf8')).toBe(String(process.pid)));
  expect(existsSync(file)).toBe(false);
  await expect(withLock(file, neverWaits, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(file)).toBe(false);
});

test('one process holds the lock at a time, and a waiting one learns its pid', async () => {
  const steps: string[] = [];
  let release = (): void => undefined;
  const first = withLock(file, neverWaits, async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    steps.push('first');
  });
  const waiting = (pid: number): void => {
    steps.push(`waits for ${pid === process.pid ? 'first' : pid}`);
    release();
  };
  await withLock(file, waiting, async () => void steps.push('second'));
  await first;
  expect(steps).toEqual(['waits for first', 'first', 'second']);
});

test('the lock of a dead process is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['--eval', '0']);
  writeFileSync(file, String(pid));
  await expect(withLock(file, neverWaits, async () => 'done')).resolves.toBe('done');
});
