import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/broker';

const READY = pathToFileURL(resolve(__dirname, '../../tools/bootstrap/ready.mjs')).href;

/** A checkout with one dependency that is not installed, and no schema. */
let checkout: string;
const LOCKFILE = { lockfileVersion: 3, packages: { '': {}, 'node_modules/wanted': { version: '1.0.0' } } };
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'onecontact-test-'));
  const manifest = { name: 'trial', version: '1.0.0', dependencies: { wanted: '1.0.0' } };
  const packages = { ...LOCKFILE.packages, '': manifest };
  writeFileSync(join(checkout, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(checkout, 'package-lock.json'), JSON.stringify({ ...LOCKFILE, ...manifest, packages }));
});
afterEach(() => rmSync(checkout, { recursive: true }));

/** Makes it ready in a process of its own, which writes the error that it ends with to stdout. */
function start(env: NodeJS.ProcessEnv) {
  const script = `import(${JSON.stringify(READY)}).then(({ makeReady }) => makeReady(${JSON.stringify(checkout)}))
    .catch((error) => process.stdout.write(error.message))`;
  const { PATH } = process.env;
  return spawn(process.execPath, ['--eval', script], { env: { PATH, HOME: checkout, ...env } });
}

async function makeReady(env: NodeJS.ProcessEnv): Promise<{ said: string; error: string }> {
  const child = start(env);
  const [said, error] = await Promise.all([text(child.stderr), text(child.stdout), once(child, 'exit')]);
  return { said, error };
}

test('says in one sentence that the registry cannot be reached, and what to do', async () => {
  const { error } = await makeReady({ npm_config_registry: 'http://127.0.0.1:1/', npm_config_fetch_retries: '0' });
  expect(error).toBe(
    'The dependencies cannot be installed: the npm registry cannot be reached (ECONNREFUSED). Check the network, and ' +
      "npm's settings registry and proxy (npm config list), then run this again.",
  );
});

test('says what it installs, and nothing the second time', async () => {
  const npm = join(checkout, 'npm-cli.js');
  const installed = JSON.stringify(JSON.stringify(LOCKFILE));
  writeFileSync(
    npm,
    `const fs = require('node:fs');
     fs.mkdirSync('node_modules/wanted', { recursive: true });
     fs.writeFileSync('node_modules/.package-lock.json', ${installed});`,
  );
  expect(await makeReady({ npm_execpath: npm })).toEqual({
    said: expect.stringMatching(/^installing the dependencies \(npm ci\) \.\.\.\n.*: done in \d+ s\n$/),
    error: '',
  });
  expect(await makeReady({ npm_execpath: npm })).toEqual({ said: '', error: '' });
});

test('shows what npm said when it fails for another reason', async () => {
  const npm = join(checkout, 'npm-cli.js');
  writeFileSync(npm, "console.error('the lock file is out of step'); process.exit(1)");
  const { error } = await makeReady({ npm_execpath: npm });
  expect(error).toMatch(/^the lock file is out of step\n.* ci .*: exit code 1$/);
});

test('ends with 130 on Ctrl-C, and npm with it', async () => {
  const npm = join(checkout, 'npm-cli.js');
  writeFileSync(
    npm,
    `process.on('SIGINT', () => {
       require('node:fs').writeFileSync('interrupted', '');
       process.exit();
     });
     process.kill(process.ppid, 'SIGINT');
     setInterval(() => undefined, 1_000);`,
  );
  const child = start({ npm_execpath: npm });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect([code, said]).toEqual([130, 'installing the dependencies (npm ci) ...\n']);
  await until(() => existsSync(join(checkout, 'interrupted')));
});
