import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { bytesOf, clearProgress, sizeOf, withProgress } from '../../tools/bootstrap/progress.cjs';
import { PullProgress } from '../../tools/services/pull-progress';

describe('progress of work that takes a while', () => {
  const { isTTY, columns } = process.stderr;
  let written: string[];
  let end = (): void => undefined;
  const work = (): Promise<void> =>
    new Promise((resolve) => {
      end = resolve;
    });

  beforeEach(() => {
    written = [];
    jest.useFakeTimers();
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
    Object.assign(process.stderr, { isTTY, columns });
  });

  it('is a line every few seconds where stderr is not a terminal, and nothing for short work', async () => {
    process.stderr.isTTY = false;
    const done = withProgress(() => 'broker: 3 of 43 MB', work);
    jest.advanceTimersByTime(4_000);
    expect(written).toEqual([]);
    jest.advanceTimersByTime(1_000);
    end();
    await done;
    jest.advanceTimersByTime(60_000);
    expect(written).toEqual(['  broker: 3 of 43 MB\n']);
  });

  it('is one line on a terminal, for all work that is under way, and makes room for other output', async () => {
    Object.assign(process.stderr, { isTTY: true, columns: 80 });
    const first = withProgress(() => 'broker: 3 of 43 MB', work);
    const endFirst = end;
    const second = withProgress(() => `database: ${'.'.repeat(80)}`, work);
    jest.advanceTimersByTime(250);
    expect(written).toEqual([`\r\u001b[K  broker: 3 of 43 MB | database: ${'.'.repeat(46)}`]);
    clearProgress();
    clearProgress();
    expect(written.splice(0)).toEqual([expect.any(String), '\r\u001b[K']);
    endFirst();
    end();
    await Promise.all([first, second]);
    jest.advanceTimersByTime(60_000);
    expect(written).toEqual([]);
  });

  it('counts the bytes of a folder at any depth, and never shows more than all', () => {
    const folder = mkdtempSync(join(tmpdir(), 'onecontact-test-'));
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/b/c'), Buffer.alloc(1_500));
    writeFileSync(join(folder, 'd'), Buffer.alloc(500));
    expect(sizeOf(folder)).toBe(2_000);
    rmSync(folder, { recursive: true });
    expect(sizeOf(folder)).toBe(0);
    expect([bytesOf(12.4e6, 43e6), bytesOf(50e6, 43e6)]).toEqual(['12 of 43 MB', '43 of 43 MB']);
  });

  it('adds up the layers of an image', () => {
    const progress = new PullProgress();
    progress.add({ status: 'Pulling from library/postgres', id: '17' });
    progress.add({ id: 'a', status: 'Downloading', progressDetail: { current: 5e6, total: 30e6 } });
    progress.add({ id: 'b', status: 'Downloading', progressDetail: { current: 1e6, total: 10e6 } });
    expect(String(progress)).toBe('6 of 40 MB');
    progress.add({ id: 'b', status: 'Download complete', progressDetail: {} });
    progress.add({ id: 'b', status: 'Extracting', progressDetail: { current: 1, total: 2 } });
    expect(String(progress)).toBe('15 of 40 MB');
  });
});
