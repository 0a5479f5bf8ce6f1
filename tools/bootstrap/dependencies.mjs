import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runQuietly } from './command.mjs';
import { hasStamp, stamp } from './stamp.mjs';

const LOCKFILE = 'package-lock.json';
/** What npm notes of what it has installed. */
const INSTALLED = 'node_modules/.package-lock.json';
const STAMP = 'node_modules/.onecontact-dependencies';

/** Whether node_modules is what the lockfile says: by our stamp, or, where somebody ran npm, by npm's own notes. */
export function dependenciesAreCurrent(checkout) {
  if (!existsSync(join(checkout, INSTALLED))) return false;
  if (hasStamp(checkout, STAMP, inputs(checkout))) return true;
  if (!isInstalled(read(checkout, LOCKFILE), read(checkout, INSTALLED))) return false;
  stamp(checkout, STAMP, inputs(checkout));
  return true;
}

/** Every package that must be there is there, in its version. More is no harm. */
function isInstalled(wanted, installed) {
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed.packages[path];
    return found ? found.version === entry.version : mayBeMissing(entry);
  });
}

/** An optional package may be, unless it is the one made for this platform. (Which C library this is, is not asked.) */
function mayBeMissing({ optional, devOptional, os, cpu, libc }) {
  if (!optional && !devOptional) return false;
  if (libc || !(os || cpu)) return true;
  return Boolean((os && !os.includes(process.platform)) || (cpu && !cpu.includes(process.arch)));
}

/** Installs as the lockfile says. npm's output is shown only if it fails. */
export async function installDependencies(checkout) {
  try {
    accessSync(checkout, constants.W_OK);
  } catch {
    throw new Error(`the dependencies are not installed, and ${checkout} cannot be written: run npm ci as its owner`);
  }
  const npm = process.env.npm_execpath;
  const isNpm = npm && basename(npm) === 'npm-cli.js'; // the npm that runs us; another package manager sets it too
  const [command, first] = isNpm ? [process.execPath, [npm]] : ['npm', []];
  await runQuietly(command, [...first, 'ci', '--no-audit', '--no-fund'], { cwd: checkout });
  stamp(checkout, STAMP, inputs(checkout));
}

/** Packages differ between platforms: a folder that two kinds of machine share is installed anew by each. */
const inputs = (checkout) => [process.platform, process.arch, readFileSync(join(checkout, LOCKFILE), 'utf8')];

const read = (checkout, name) => JSON.parse(readFileSync(join(checkout, name), 'utf8'));
