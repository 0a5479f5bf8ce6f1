import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServiceProcess } from '../../tools/program/process';
import { run } from '../../tools/services/command';
import { until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';

const CHECKOUT = resolve(__dirname, '../..');
const broker = withBroker();

describe('the package, installed into an empty folder', () => {
  let folder: string;
  let database: TestDatabase;
  let complaints = '';
  const npx = (...args: string[]): Promise<string> =>
    run('npx', ['--no-install', 'onecontact', ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: database.url },
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onecontact-test-'));
    database = await freshDatabase({ migrated: false });
    await run('npm', ['run', 'package', '--', '--pack-destination', folder], { cwd: CHECKOUT });
    const packed = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    const options = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
    const install = ['npm', 'install', ...options, `./${packed[0]}`, '2>&1'].join(' ');
    complaints = await run('sh', ['-c', install], { cwd: folder });
  }, 300_000);
  afterAll(async () => {
    await database?.drop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('needs no other engine than package.json says, and no deprecated package', () => {
    expect(complaints).not.toMatch(/EBADENGINE|deprecated/);
  });

  it('brings the command line', async () => {
    expect(await npx('--help')).toContain('Usage: onecontact');
  }, 60_000);

  it('migrates a database and runs the service', async () => {
    await broker().freshTopology();
    await npx('migrate');
    const path = join(folder, 'node_modules/onecontact/dist/cli/main.js');
    const service = new ServiceProcess({ path }, { env: { AMQP_URL: broker().url, DATABASE_URL: database.url } });
    try {
      await until(async () => service.url !== undefined, 60_000);
      expect((await fetch(`${service.url}/__lbheartbeat__`)).status).toBe(200);
    } finally {
      await service.stop();
    }
    expect(await service.ended).toEqual({ code: 0, signal: null });
  }, 120_000);

  it('exports the typed client and the contracts', async () => {
    const code = `require('onecontact/client'); require('onecontact/contracts/asyncapi.json'); console.log('both')`;
    expect(await run(process.execPath, ['-e', code], { cwd: folder })).toBe('both\n');
  });
});
