/**
 * Completes package-lock.json after a change of dependencies: `node tools/complete-lock.mjs`.
 *
 * Packages with native code have one optional package a platform. npm locks only those that the registry in use has, but
 * `npm ci` refuses a lock file that lacks any. This adds the missing ones, under the names and versions that the packages
 * ask for, with the checksum that the registry has of each.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = 'package-lock.json';
const PLATFORM =
  /-(android|darwin|freebsd|linux|openharmony|win32)-(x64|arm64|ia32|ppc64|s390x|riscv64|loong64|arm)(?:-(gnu|musl|msvc|eabi|gnueabihf|musleabihf))?$/;

const lock = JSON.parse(readFileSync(FILE, 'utf8'));
const known = Object.keys(lock.packages);
const wanted = Object.values(lock.packages).flatMap(({ optionalDependencies, dev }) =>
  Object.entries(optionalDependencies ?? {}).map(([name, version]) => ({ name, version, dev })),
);
let added = 0;
for (const { name, version, dev } of wanted) {
  if (known.some((path) => path.endsWith(`node_modules/${name}`))) continue;
  const [, os, cpu, abi] = PLATFORM.exec(name) ?? [];
  if (!os || !/^\d+\.\d+\.\d+$/.test(version)) {
    process.stderr.write(`left out, without an exact version or a platform: ${name} ${version}\n`);
    continue;
  }
  const libc = os === 'linux' && abi ? [abi.startsWith('musl') ? 'musl' : 'glibc'] : undefined;
  lock.packages[`node_modules/${name}`] = {
    version,
    cpu: [cpu],
    ...(dev && { dev }),
    ...(libc && { libc }),
    optional: true,
    os: [os],
  };
  added += 1;
}
let completed = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '' || entry.integrity) continue;
  const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const spec = `${name}@${entry.version}`;
  const integrity = execFileSync('npm', ['view', spec, 'dist.integrity'], { encoding: 'utf8' }).trim();
  if (!integrity) throw new Error(`${spec}: the registry has no checksum of it`);
  lock.packages[path] = insertAfterVersion(entry, integrity);
  completed += 1;
}
const byPath = ([a], [b]) => (a === '' ? -1 : b === '' ? 1 : a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} added, ${completed} checksums added\n`);

function insertAfterVersion({ version, ...rest }, integrity) {
  return { version, integrity, ...rest };
}
