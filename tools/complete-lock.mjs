/**
 * Run it after a change of dependencies: `node tools/complete-lock.mjs`.
 *
 * Packages with native code come with one optional package a platform. npm writes only those into package-lock.json that
 * the registry at hand has, and `npm ci` refuses a lock file that lacks any. This adds the missing ones, by the names and
 * versions that their owners ask for. They have no checksum, because nobody here has seen them.
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
