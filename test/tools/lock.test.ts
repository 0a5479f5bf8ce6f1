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
  throw new Error('there was nobody to wait for');
};

test('is held while the work goes on, and gone afterwards, also when the work fails', async () => {
  await withLock(file, neverWaits, async () => expect(readFileSync(file, 'utf8')).toBe(String(process.pid)));
  expect(existsSync(file)).toBe(false);
  await expect(withLock(file, neverWaits, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(file)).toBe(false);
});

test('lets one in at a time, and tells the other whom it waits for', async () => {
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

test('takes over from an owner that is dead', async () => {
  const { pid } = spawnSync(process.execPath, ['--eval', '0']);
  writeFileSync(file, String(pid));
  await expect(withLock(file, neverWaits, async () => 'done')).resolves.toBe('done');
});
