/** Debian's packages, unpacked but not installed, as an ordinary user. */
import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesOf, sizeOf, stopwatch, withProgress } from '../bootstrap/progress.cjs';
import { findProgram, pathFolders, run } from './command';
import { type Context, Unavailable, Unreachable } from './types';

/** With it, packages of every release of Debian can be verified. */
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const UNREACHABLE =
  /could not (resolve|connect)|temporary failure resolving|unable to connect|connection (failed|refused|timed out)|network is unreachable/i;
const MIRROR_UNREACHABLE =
  "Debian's mirror cannot be reached. Check the network and apt's sources (apt-get update shows the cause)";

export interface Wanted {
  /** For people. */
  what: string;
  /** The release of Debian to take the packages from; absent: the machine's own release, whatever system it is. */
  suite?: string;
  /** Take the machine's own release where Debian's packages cannot be read, as on a relative of Debian. */
  orOwnRelease?: boolean;
  packages: string[];
  /** Picks from the packages and all their dependencies, and says where each is unpacked; undefined: nowhere. */
  folderOf: (name: string) => string | undefined;
}

/** Downloads packages with their dependencies, and unpacks the picked ones below `part`. */
export async function unpackPackages(wanted: Wanted, part: string, context: Context): Promise<void> {
  const { what, packages: names, folderOf } = wanted;
  for (const tool of ['apt-get', 'dpkg'])
    if (!(await findProgram(tool, pathFolders(context.env))))
      throw new Unavailable(`${what} can be fetched only on Debian and its relatives (no ${tool} here)`);
  const work = join(part, 'work');
  await mkdir(work);
  const { apt, release } = await aptIn(work, wanted);
  const elapsed = stopwatch();
  const uris = await withProgress(
    () => `${what}: reading the lists of ${release}, ${elapsed()}`,
    async () => {
      await apt('update', '-o', 'APT::Update::Error-Mode=any');
      return apt('install', '--print-uris', '--no-install-recommends', ...names);
    },
  );
  const packages = [...uris.matchAll(/^'[^']+' ([^_\s]+)_\S+ (\d+)/gm)]
    .map(([, name, bytes]) => ({ name: decodeURIComponent(name!), bytes: Number(bytes) }))
    .filter(({ name }) => folderOf(name) !== undefined);
  const total = packages.reduce((sum, { bytes }) => sum + bytes, 0);
  context.log(`${what}: downloading ${Math.round(total / 1e6)} MB (${release}) into ${dirname(part)} (once) …`);
  const before = sizeOf(work);
  await withProgress(
    () => `${what}: ${bytesOf(sizeOf(work) - before, total)}`,
    () => apt('download', ...packages.map(({ name }) => name)),
  );
  const archives = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  let unpacked = 0;
  await withProgress(
    () => `${what}: ${unpacked} of ${archives.length} packages unpacked`,
    async () => {
      for (const file of archives) {
        await run('dpkg', ['-x', join(work, file), join(part, folderOf(file.slice(0, file.indexOf('_')))!)]);
        unpacked += 1;
      }
    },
  );
  await rm(work, { recursive: true });
}

/**
 * apt-get with lists and downloads in its own folder: it reads the machine's sources and changes nothing on the machine.
 * It takes no package for installed, so it names all dependencies.
 */
async function aptIn(folder: string, { suite, orOwnRelease }: Pick<Wanted, 'suite' | 'orOwnRelease'>) {
  const mirror = suite && (await debianMirror());
  if (suite && !mirror && !orOwnRelease)
    throw new Unavailable(`this machine has no source of Debian's packages, from which ${suite} could be fetched`);
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  if (mirror) await writeFile(join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
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
    release: mirror ? `Debian ${suite}` : "this machine's release",
    apt: (command: string, ...args: string[]): Promise<string> =>
      run('apt-get', [command, '-qq', '-y', ...options, ...args], { cwd: folder }).catch((error: Error) => {
        if (UNREACHABLE.test(error.message)) throw new Unreachable(MIRROR_UNREACHABLE);
        throw new Unavailable(error.message);
      }),
  };
}

/** Where this machine gets Debian's packages from, if it can verify them. */
async function debianMirror(): Promise<string | undefined> {
  const uris = (await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])).split('\n');
  const canVerify = await access(KEYRING).then(
    () => true,
    () => false,
  );
  return canVerify ? uris.find((uri) => /\/debian\/?$/.test(uri)) : undefined;
}
