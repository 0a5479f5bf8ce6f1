import { access, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { cached } from './cache';
import { findProgram, pathFolders, run } from './command';
import { type RabbitPrograms, rabbitPrograms } from './rabbitmq';
import { type Context, Unavailable } from './types';

/** Debian's release with RabbitMQ 4.0. */
const SUITE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const ERLANG = 'usr/lib/erlang';

/** The broker's own packages, and those that its programs link to: they run with the C library of their release. */
const BROKER = /^(erlang-.*|rabbitmq-server)$/;
const RUNTIME = /^(libc6|libstdc\+\+6|libgcc-s1|libtinfo6|zlib1g|libssl3(t64)?|libzstd1|libsctp1|patchelf)$/;

/** RabbitMQ's programs, fetched into the cache: Debian's packages, unpacked but not installed, without root. */
export async function fetchRabbit(context: Context): Promise<RabbitPrograms> {
  const home = await cached(
    {
      name: `rabbitmq-${SUITE}-${process.arch}`,
      fill: (part, final) => fill(part, final, context),
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

async function fill(part: string, final: string, context: Context): Promise<void> {
  for (const tool of ['apt-get', 'dpkg'])
    if (!(await findProgram(tool, pathFolders(context.env))))
      throw new Unavailable(`RabbitMQ can be fetched only on Debian and its relatives (${tool} is not there)`);
  const work = join(part, 'work');
  await mkdir(work);
  const { apt, release } = await aptIn(work);
  await apt('update', '-o', 'APT::Update::Error-Mode=any');
  const wanted = ['rabbitmq-server', 'libsctp1', 'patchelf'];
  const uris = await apt('install', '--print-uris', '--no-install-recommends', ...wanted);
  const packages = [...uris.matchAll(/^'[^']+' ([^_\s]+)_\S+ (\d+)/gm)]
    .map(([, name, bytes]) => ({ name: decodeURIComponent(name!), bytes: Number(bytes) }))
    .filter(({ name }) => BROKER.test(name) || RUNTIME.test(name));
  const megabytes = Math.round(packages.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
  context.log(`RabbitMQ: fetching the packages of ${release} into ${dirname(final)} (${megabytes} MB, once) ...`);
  await apt('download', ...packages.map(({ name }) => name));

  const runtime = join(part, 'runtime');
  for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
    const name = file.slice(0, file.indexOf('_'));
    await run('dpkg', ['-x', join(work, file), BROKER.test(name) ? part : runtime]);
  }
  for (const folder of [work, join(part, 'usr/share'), join(runtime, 'usr/share')])
    await rm(folder, { recursive: true, force: true });
  await relocate(part, final, await filesIn(runtime));
}

/**
 * apt-get as an ordinary user, with lists and downloads in its own folder: it reads the machine's sources and changes
 * nothing on the machine. It takes no package for installed, so it names all dependencies. Its packages are those of
 * SUITE, or, on a relative of Debian, those of the machine's own release.
 */
async function aptIn(folder: string) {
  const uris = (await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])).split('\n');
  const debian = uris.find((uri) => /\/debian\/?$/.test(uri));
  const canVerify = await access(KEYRING).then(
    () => true,
    () => false,
  );
  const mirror = canVerify ? debian : undefined;
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  if (mirror) await writeFile(join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  const settings = {
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': userInfo().username, // else root's apt becomes another user, who may not enter the folder
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
    'Acquire::https::Timeout': '20',
    ...(mirror && {
      'Dir::Etc::SourceList': join(folder, 'sources.list'),
      'Dir::Etc::SourceParts': '/nonexistent',
      'Acquire::Check-Valid-Until': 'false', // a frozen mirror is still signed
    }),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return {
    release: mirror ? `Debian ${SUITE}` : "this machine's release",
    apt: (command: string, ...args: string[]): Promise<string> =>
      run('apt-get', [command, '-qq', '-y', ...options, ...args], { cwd: folder }).catch((error: Error) => {
        throw new Unavailable(error.message);
      }),
  };
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
