/**
 * Completes package-lock.json after a change of dependencies: `node tools/complete-lock.mjs`.
 *
 * Packages with native code have one optional package a platform. npm locks only those that the registry in use has, but
 * `npm ci` refuses a lock file that lacks any. This adds the missing ones, under the names and versions that the packages
 * ask for, and without checksums, which are not known here.
 */
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
    process.stderr.write(`left out, not exact or of no platform: ${name} ${version}\n`);
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
const byPath = ([a], [b]) => (a === '' ? -1 : b === '' ? 1 : a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} added\n`);
