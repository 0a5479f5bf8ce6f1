// Adds what this machine's registry could not describe: the packages of other platforms, without which `npm ci` refuses the lockfile.
import { readFileSync, writeFileSync } from 'node:fs';

const file = process.argv[2] ?? 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8'));
const CPU = { 'arm-gnueabihf': 'arm', 'arm-musleabihf': 'arm', 'arm-eabi': 'arm' };
let added = 0;
for (const [owner, entry] of Object.entries({ ...lock.packages }))
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (Object.keys(lock.packages).some((p) => p.endsWith(`node_modules/${name}`))) continue;
    if (!/^\d+\.\d+\.\d+$/.test(version)) {
      console.error('not exact, left out:', owner, name, version);
      continue;
    }
    const m =
      /-(android|darwin|freebsd|linux|openharmony|win32)-(x64|arm64|ia32|ppc64|s390x|riscv64|loong64|arm)(?:-(gnu|musl|msvc|eabi|gnueabihf|musleabihf))?$/.exec(
        name,
      );
    if (!m) {
      console.error('platform unknown, left out:', name);
      continue;
    }
    const libc = m[1] === 'linux' && m[3] ? (m[3].startsWith('musl') ? ['musl'] : ['glibc']) : undefined;
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [m[2]],
      ...(entry.dev && { dev: true }),
      ...(libc && { libc }),
      optional: true,
      os: [m[1]],
    };
    added++;
  }
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a === '' ? -1 : b === '' ? 1 : a.localeCompare(b, 'en'))),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log('added', added);
