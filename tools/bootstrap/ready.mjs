/** Makes a checkout ready: dependencies as the lockfile says, and the generated Prisma client. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';
import lock from './lock.cjs';
import { npmCommand, RETRY_SOON, registryProblem } from './npm.cjs';
import { clearProgress, stopwatch, withProgress } from './progress.cjs';

const LOCKFILE = 'package-lock.json';
/** npm's own record of what it installed. */
const INSTALLED = 'node_modules/.package-lock.json';
const SCHEMA = 'prisma/schema.prisma';
const CLIENT = 'src/postgres/generated/prisma';
/** Files with a hash of the inputs that the dependencies and the client were made from. */
const DEPENDENCIES_STAMP = 'node_modules/.onecontact-dependencies';
const CLIENT_STAMP = join(CLIENT, '.onecontact-schema');

/** Installs and generates what is missing or out of date. Silent when there is nothing to do. */
export async function makeReady(checkout) {
  if (dependenciesAreCurrent(checkout) && clientIsCurrent(checkout)) return;
  const waiting = (pid) => say(`waiting for process ${pid}, which is making this checkout ready ...`);
  await lock.withLock(lockFile(checkout), waiting, async () => {
    // Checked again, because another run may have done it meanwhile.
    if (!dependenciesAreCurrent(checkout)) await installDependencies(checkout);
    if (!clientIsCurrent(checkout)) await generateClient(checkout);
  });
}

/** Outside the checkout, where it would be a new file; one for each user, who cannot remove another's. */
function lockFile(checkout) {
  const key = createHash('sha256').update(checkout).digest('hex').slice(0, 16);
  return join(tmpdir(), `onecontact-ready-${process.getuid?.() ?? 0}-${key}.lock`);
}

/** @param state what is shown meanwhile, beside the time */
async function timed(what, state, work) {
  const elapsed = stopwatch();
  say(`${what} ...`);
  await withProgress(() => `${state()}, ${elapsed()}`, work);
  say(`${what}: done in ${elapsed()}`);
}

/** Whether node_modules matches the lockfile: by our stamp, or, after npm was run by hand, by npm's own record. */
function dependenciesAreCurrent(checkout) {
  if (!existsSync(join(checkout, INSTALLED))) return false;
  if (hasStamp(checkout, DEPENDENCIES_STAMP, dependencyInputs(checkout))) return true;
  const [wanted, installed] = [LOCKFILE, INSTALLED].map((name) =>
    JSON.parse(readFileSync(join(checkout, name), 'utf8')),
  );
  const isInstalled = Object.entries(wanted.packages).every(([path, entry]) => {
    const found = installed.packages[path];
    return path === '' || (found ? found.version === entry.version : mayBeMissing(entry));
  });
  if (isInstalled) stamp(checkout, DEPENDENCIES_STAMP, dependencyInputs(checkout));
  return isInstalled;
}

/** An optional package may be missing, unless it is made for this platform. The C library is not checked. */
function mayBeMissing({ optional, devOptional, os, cpu, libc }) {
  if (!optional && !devOptional) return false;
  if (libc || !(os || cpu)) return true;
  return Boolean((os && !os.includes(process.platform)) || (cpu && !cpu.includes(process.arch)));
}

async function installDependencies(checkout) {
  try {
    accessSync(checkout, constants.W_OK);
  } catch {
    throw new Error(`the dependencies are not installed, and ${checkout} cannot be written: run npm ci as its owner`);
  }
  const [command, ...first] = npmCommand();
  const options = { cwd: checkout, env: { ...RETRY_SOON, ...process.env } };
  await timed('installing the dependencies (npm ci)', packagesOf(checkout), () =>
    runQuietly(command, [...first, 'ci', '--no-audit', '--no-fund'], options).catch((error) => {
      const problem = registryProblem(error.message);
      throw problem ? new Error(`The dependencies cannot be installed: ${problem}, then run this again.`) : error;
    }),
  );
  stamp(checkout, DEPENDENCIES_STAMP, dependencyInputs(checkout));
}

/** A function that says how many packages are unpacked. npm creates all folders first, so their files are counted. */
function packagesOf(checkout) {
  const { packages } = JSON.parse(readFileSync(join(checkout, LOCKFILE), 'utf8'));
  const needed = Object.entries(packages).filter(([path, entry]) => path !== '' && !mayBeMissing(entry));
  const files = needed.map(([path]) => join(checkout, path, 'package.json'));
  return () => {
    const unpacked = files.filter((file) => existsSync(file)).length;
    return unpacked === 0
      ? `asking about ${files.length} packages`
      : `${unpacked} of ${files.length} packages unpacked`;
  };
}

/** With the platform: two kinds of machine that share a folder each install it again. */
const dependencyInputs = (checkout) => [process.platform, process.arch, readFileSync(join(checkout, LOCKFILE), 'utf8')];

/** Whether the client was generated from this schema by this version of Prisma. */
function clientIsCurrent(checkout) {
  return !existsSync(join(checkout, SCHEMA)) || hasStamp(checkout, CLIENT_STAMP, clientInputs(checkout));
}

async function generateClient(checkout) {
  const program = join(checkout, 'node_modules/prisma/build/index.js');
  const options = {
    cwd: checkout,
    env: {
      ...process.env,
      // Generating does not use the schema engine, but would download it. Any program will do.
      PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  };
  const generate = () => runQuietly(process.execPath, [program, 'generate', '--no-hints'], options);
  await timed('generating the database client (prisma generate)', () => 'generating', generate);
  stamp(checkout, CLIENT_STAMP, clientInputs(checkout));
}

function clientInputs(checkout) {
  const files = [SCHEMA, 'prisma.config.ts', 'node_modules/prisma/package.json'].map((name) => join(checkout, name));
  return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''));
}

function hasStamp(checkout, file, inputs) {
  try {
    return readFileSync(join(checkout, file), 'utf8') === hash(inputs);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** A read-only checkout gets no stamp and is compared each time. */
function stamp(checkout, file, inputs) {
  try {
    writeFileSync(join(checkout, file), hash(inputs));
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EROFS' && error.code !== 'EPERM') throw error;
  }
}

/** Of contents, because the file times of a fresh clone or an unpacked archive mean nothing. */
const hash = (inputs) => createHash('sha256').update(JSON.stringify(inputs)).digest('hex');

/** Runs a program to its end, and shows its output only if it fails. A signal ends it and this process. */
async function runQuietly(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const end = (signal) => {
    child.kill(signal);
    clearProgress();
    process.exit(128 + osConstants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
  const [code, signal] = await once(child, 'close');
  for (const name of ['SIGINT', 'SIGTERM']) process.off(name, end);
  if (code !== 0) throw new Error(`${output.trim()}\n${command} ${args.join(' ')}: ${signal ?? `exit code ${code}`}`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
