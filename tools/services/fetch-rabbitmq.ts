import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stopwatch, withProgress } from '../bootstrap/progress.cjs';
import { cached } from './cache';
import { run } from './command';
import { unpackPackages } from './debian';
import { type RabbitPrograms, rabbitPrograms } from './rabbitmq';
import type { Context } from './types';

/** RabbitMQ's versions, and the release of Debian that has each. */
const SUITES: Readonly<Record<string, string>> = { '3.10': 'bookworm', '4.0': 'trixie', '4.3': 'forky' };
const VERSION = '4.0';
const ERLANG = 'usr/lib/erlang';

/** The broker's own packages, and those that its programs link to: they run with the C library of their release. */
const BROKER = /^(erlang-.*|rabbitmq-server)$/;
const RUNTIME = /^(libc6|libstdc\+\+6|libgcc-s1|libtinfo6|zlib1g|libssl3(t64)?|libzstd1|libsctp1|patchelf)$/;

/** RabbitMQ's programs, fetched into the cache: Debian's packages, unpacked but not installed, without root. */
export async function fetchRabbit(context: Context): Promise<RabbitPrograms> {
  const version = context.env.ONECONTACT_RABBITMQ || VERSION;
  const suite = SUITES[version];
  if (!suite) throw new Error(`RabbitMQ ${version} cannot be fetched; take one of ${Object.keys(SUITES).join(', ')}`);
  const home = await cached(
    {
      name: `rabbitmq-${suite}-${process.arch}`,
      fill: (part, final) => fill(part, final, suite, context),
      check: async (final) => {
        const script = 'application:ensure_all_started(crypto), halt().';
        await run(erl(final), ['-noshell', '-eval', script], { cwd: '/', env: { ...process.env, HOME: final } });
      },
    },
    context,
  );
  return rabbitPrograms(join(home, 'usr/lib/rabbitmq/bin/rabbitmq-server'), erl(home), context.env);
}

const erl = (home: string): string => join(home, ERLANG, 'bin/erl');

async function fill(part: string, final: string, suite: string, context: Context): Promise<void> {
  const packages = ['rabbitmq-server', 'libsctp1', 'patchelf'];
  const folderOf = (name: string): string | undefined =>
    BROKER.test(name) ? '.' : RUNTIME.test(name) ? 'runtime' : undefined;
  const orOwnRelease = !context.env.ONECONTACT_RABBITMQ;
  await unpackPackages({ what: 'RabbitMQ', suite, orOwnRelease, packages, folderOf }, part, context);
  const runtime = join(part, 'runtime');
  for (const folder of [part, runtime]) await rm(join(folder, 'usr/share'), { recursive: true, force: true });
  const elapsed = stopwatch();
  const libraries = await filesIn(runtime);
  await withProgress(
    () => `RabbitMQ: preparing Erlang's programs, ${elapsed()}`,
    () => relocate(part, final, libraries),
  );
}

/**
 * Makes Erlang's programs run from `final`, on a machine with another C library than theirs.
 *
 * They name the loader and look for libraries in the system's folders; `patchelf` (fetched with them, and run with
 * their C library too) names ours instead. Erlang's start scripts contain a path to correct as well.
 */
async function relocate(part: string, final: string, libraries: readonly string[]): Promise<void> {
  const find = (pattern: RegExp): string => {
    const found = libraries.find((path) => pattern.test(path));
    if (!found) throw new Error(`the fetched packages have no file like ${pattern.source}`);
    return found;
  };
  const loader = find(/\/ld-linux[^/]*\.so\.\d+$/);
  const patchelf = find(/\/bin\/patchelf$/);
  const folders = new Set([dirname(find(/\/libstdc\+\+\.so\.6[^/]*$/)), dirname(find(/\/libc\.so\.6$/))]);
  const searched = [...folders].join(':');
  const inPlace = (path: string): string => path.replaceAll(part, final);

  for (const file of await filesIn(join(part, ERLANG))) {
    if (file.endsWith('/bin/erl')) {
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replaceAll(`ROOTDIR=/${ERLANG}`, `ROOTDIR="${join(final, ERLANG)}"`));
    }
    if (!(await isElf(file))) continue;
    const interpreter = /\.so(\.\d+)*$/.test(file) ? [] : ['--set-interpreter', inPlace(loader)];
    const changes = [...interpreter, '--force-rpath', '--set-rpath', inPlace(searched), file];
    await run(loader, ['--library-path', searched, patchelf, ...changes]);
  }
}

/** Regular files (no links), at any depth. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function isElf(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === '\x7fELF';
  } finally {
    await file.close();
  }
}
