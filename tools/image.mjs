/**
 * Builds the image, tests it with RabbitMQ and PostgreSQL in containers, prints its size and start time, and removes
 * everything but the engine's build cache: `npm run image [-- OPTION ...]`. Options go to `docker build`
 * (`--network=host`, `--build-arg NODE_IMAGE=…`); `--keep` keeps the image as onecontact:local. Needs an engine that has
 * or can pull rabbitmq:4.0-management and postgres:17.
 *
 * Plain JavaScript without dependencies, so that a machine with only Node and an engine can run it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const checkout = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const id = `onecontact-check-${randomBytes(4).toString('hex')}`;
const password = randomBytes(12).toString('hex');
const API_KEY = randomBytes(12).toString('hex');
const RABBITMQ = process.env.RABBITMQ_IMAGE ?? 'rabbitmq:4.0-management';
const POSTGRES = process.env.POSTGRES_IMAGE ?? 'postgres:17';
/** The strictest settings that the image must support. */
const HARDENED = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'];

const args = process.argv.slice(2);
const keep = args.includes('--keep');
const image = keep ? 'onecontact:local' : `${id}:latest`;
const undo = [];

/** @returns stdout and stderr */
async function docker(...command) {
  const { stdout, stderr } = await run('docker', command, { cwd: checkout, maxBuffer: 64 * 1024 * 1024 });
  return `${stdout}${stderr}`.trim();
}

/** Runs a command of the image to its end. */
async function runOnce(name, env, ...command) {
  try {
    return { code: 0, output: await docker('run', '--rm', '--name', name, ...HARDENED, ...env, image, ...command) };
  } catch (error) {
    return { code: error.code, output: `${error.stdout}${error.stderr}` };
  }
}

async function until(what, seconds, check) {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    const answer = await check().catch(() => undefined);
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await delay(50);
  }
}

const say = (line) => process.stdout.write(`${line}\n`);
const seconds = (since) => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

async function build() {
  const since = performance.now();
  const git = (...command) => run('git', command, { cwd: checkout }).then(({ stdout }) => stdout.trim());
  const commit = await git('rev-parse', 'HEAD').catch(() => '');
  const version = JSON.parse(await docker('version', '--format', '{{json .Server.Version}}'));
  const labels = ['--build-arg', `COMMIT=${commit}`, '--build-arg', `BUILD=${id}`];
  if (!keep) undo.push(() => docker('rmi', '--force', image));
  await docker('build', '--tag', image, ...labels, ...args.filter((arg) => arg !== '--keep'), '.');
  const { Size, Config, RootFS } = JSON.parse(await docker('inspect', '--format', '{{json .}}', image));
  say(`built in ${seconds(since)} by Docker ${version}: ${Math.round(Size / 1e6)} MB, ${RootFS.Layers.length} layers`);
  assert.equal(Config.User, '1000:1000', 'not root');
  assert.ok(Config.Healthcheck, 'has a health check');
  return { commit };
}

/** The image contains no build or test tools, and a list of its libraries. */
async function contents() {
  const list = await docker('run', '--rm', '--entrypoint', 'ls', image, 'node_modules', 'node_modules/.bin');
  const names = list.split(/\s+/);
  for (const name of ['prisma', 'typescript', 'tsc', 'tsx', 'jest', 'testcontainers', '@biomejs'])
    assert.ok(!names.includes(name), `the image has ${name}`);
  const sbom = JSON.parse(await docker('run', '--rm', '--entrypoint', 'cat', image, 'sbom.json'));
  const listed = sbom.components.map(({ name }) => name);
  for (const name of Object.keys(JSON.parse(await readFile(resolve(checkout, 'package.json'), 'utf8')).dependencies))
    assert.ok(listed.includes(name), `sbom.json does not list ${name}`);
  say(`sbom.json lists ${listed.length} libraries`);
  const du = await docker('run', '--rm', '--entrypoint', 'du', image, '-sm', '/app');
  say(`of it /app: ${du.split(/\s/)[0]} MB`);
}

async function servers() {
  undo.push(() => docker('network', 'rm', id));
  await docker('network', 'create', id);
  const start = async (name, ...rest) => {
    undo.push(() => docker('rm', '--force', '--volumes', `${id}-${name}`));
    await docker('run', '--detach', '--name', `${id}-${name}`, '--network', id, '--hostname', name, ...rest);
  };
  await start('database', '-e', `POSTGRES_PASSWORD=${password}`, POSTGRES);
  await start('broker', '-e', 'RABBITMQ_DEFAULT_USER=check', '-e', `RABBITMQ_DEFAULT_PASS=${password}`, RABBITMQ);
  const isReady = () => docker('exec', `${id}-database`, 'pg_isready', '-q', '-h', '127.0.0.1').then(() => true);
  await until('PostgreSQL answers', 60, isReady);
  const env = {
    AMQP_URL: `amqp://check:${password}@${id}-broker:5672/`,
    DATABASE_URL: `postgresql://postgres:${password}@${id}-database:5432/postgres`,
    API_KEY,
  };
  return ['--network', id, ...Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])];
}

async function commands(env) {
  const open = await runOnce(`${id}-open`, [...env, '-e', 'API_KEY=']);
  assert.equal(open.code, 1, 'without an API key it does not listen at all addresses');
  assert.match(open.output, /API_KEY: is not set/);
  const early = await runOnce(`${id}-early`, env);
  assert.equal(early.code, 1, 'does not start without its schema');
  assert.match(early.output, /onecontact migrate/);
  const migrated = await runOnce(`${id}-migrate`, env, 'migrate');
  assert.equal(migrated.code, 0, migrated.output);
}

async function service(env, { commit }) {
  const name = `${id}-service`;
  undo.push(() => docker('rm', '--force', name));
  await docker('run', '--detach', '--name', name, '--publish', '127.0.0.1::8080', ...HARDENED, ...env, image);
  const isUp = async () => (await docker('logs', name)).split('\n').find((line) => line.includes('service is up'));
  const up = await until('the service is up', 60, isUp).catch(async (error) => {
    throw new Error(`${error.message}\n${await docker('logs', name)}`);
  });
  const started = await docker('inspect', '--format', '{{.State.StartedAt}}', name);
  say(`up ${Date.parse(JSON.parse(up).time) - Date.parse(started)} ms after the start of its container`);

  const base = `http://${(await docker('port', name, '8080/tcp')).split('\n')[0]}`;
  const get = (path, headers = {}) => fetch(`${base}${path}`, { headers });
  await until('all its parts work', 60, async () => (await get('/__heartbeat__')).status === 200);
  assert.equal((await (await get('/__version__')).json()).commit, commit, '/__version__ has the commit');
  const path = '/contacts/by-email/ada@mail.test';
  assert.equal((await get(path)).status, 401);
  const authorization = `Bearer ${API_KEY}`;
  assert.equal((await get(path, { authorization })).status, 404);
  await docker('exec', name, 'node', '-e', SIGN_UP);
  await until('a sign-up is stored', 20, async () => (await get(path, { authorization })).status === 200);
  const health = () => docker('inspect', '--format', '{{.State.Health.Status}}', name);
  await until('its health check passes', 60, async () => (await health()) === 'healthy');
  const memory = await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', name);

  const since = performance.now();
  await docker('stop', '--time', '30', name);
  const code = await docker('inspect', '--format', '{{.State.ExitCode}}', name);
  assert.equal(code, '0', `exit code ${code} after SIGTERM`);
  say(`memory ${memory.split(' ')[0]}; SIGTERM: exit 0 after ${seconds(since)}`);
}

/** Runs inside the container, because the image has the client library that a producer needs. */
const SIGN_UP = `
  require('amqplib').connect(process.env.AMQP_URL).then(async (connection) => {
    const channel = await connection.createConfirmChannel();
    const body = { event: 'newsletter.subscribe', ts: 1769000100, email: 'ada@mail.test', newsletters: ['x'] };
    channel.publish('newsletter.events', body.event, Buffer.from(JSON.stringify(body)));
    await channel.waitForConfirms();
    await connection.close();
  });`;

async function main() {
  const built = await build();
  await contents();
  const env = await servers();
  await commands(env);
  await service(env, built);
  say('the image is as it should be');
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => finish(new Error(signal)));
let finishing;
function finish(error) {
  finishing ??= (async () => {
    if (error) process.stderr.write(`${error.stderr ?? ''}${error.message}\n`);
    for (const step of undo.reverse()) await step().catch(() => undefined);
    process.exit(error ? 1 : 0);
  })();
  return finishing;
}
main().then(() => finish(), finish);
