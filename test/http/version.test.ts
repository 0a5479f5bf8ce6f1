import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readVersion } from '../../src/http/version';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecontact-version-'));
});
afterEach(() => rm(root, { recursive: true }));

it('the version comes from the image build, or else from package.json', async () => {
  await writeFile(join(root, 'package.json'), '{"name":"onecontact","version":"1.2.3"}');
  expect(readVersion(root)).toEqual({ source: '', version: '1.2.3', commit: '', build: '' });
  const built = { source: 'https://repo.test', version: '1.2.4', commit: '0123abc', build: 'https://ci.test/7' };
  await writeFile(join(root, 'version.json'), JSON.stringify(built));
  expect(readVersion(root)).toEqual(built);
});
