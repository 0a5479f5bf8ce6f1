/** What the package exports is built, needs no dependency, and has types. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const CHECKOUT = resolve(__dirname, '../..');
const run = promisify(execFile);

describe('onecontact/client', () => {
  let folder: string;
  const tsc = (...args: string[]) =>
    run(process.execPath, [join(CHECKOUT, 'node_modules/.bin/tsc'), ...args], { cwd: folder });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onecontact-client-'));
    await tsc('-p', join(CHECKOUT, 'tsconfig.build.json'), '--outDir', join(folder, 'dist'));
    writeFileSync(join(folder, 'package.json'), readFileSync(join(CHECKOUT, 'package.json')));
    symlinkSync(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'));
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is what package.json exports, loads by import and by require, and requires nothing else', async () => {
    const code = 'import { OneContactClient } from "onecontact/client"; console.log(typeof OneContactClient)';
    expect((await run(process.execPath, ['--input-type=module', '-e', code], { cwd: folder })).stdout).toBe(
      'function\n',
    );
    const required = 'console.log(typeof require("onecontact/client").OneContactClient)';
    expect((await run(process.execPath, ['-e', required], { cwd: folder })).stdout).toBe('function\n');
    expect(readFileSync(join(folder, 'dist/client/index.js'), 'utf8')).not.toContain('require(');
  });

  it('compiles the examples of its page', async () => {
    const page = readFileSync(join(CHECKOUT, 'docs/reference/client.md'), 'utf8');
    const examples = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
    expect(examples.length).toBeGreaterThan(1);
    const files = examples.map((code, i) => {
      const file = join(folder, `example-${i}.mts`);
      writeFileSync(file, `${code}\ndeclare function retire(contactId: string): void;\nexport {};\n`);
      return file;
    });
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'node20', '--types', 'node'];
    await tsc(...options, ...files).catch((error: { stdout: string }) => {
      throw new Error(error.stdout);
    });
  });
});
