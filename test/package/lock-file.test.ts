import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';

interface Entry {
  integrity?: string;
  resolved?: string;
}

const lockFile: { packages: Record<string, Entry> } = JSON.parse(
  readFileSync(resolve(__dirname, '../../package-lock.json'), 'utf8'),
);
const installed = Object.entries(lockFile.packages).filter(([path]) => path !== '');

test('every package in the lock file has a checksum', () => {
  expect(installed.filter(([, { integrity }]) => !integrity).map(([path]) => path)).toEqual([]);
});

test('the lock file names no registry', () => {
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});
