import { access, constants, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../bootstrap/lock.cjs';
import type { Context } from './types';

/** Says that a folder of the cache is complete, and for which path: fetched programs may have their own path in them. */
const MARK = '.complete';

export interface Fetch {
  /** The folder's name: one for everything that differs (version, platform). */
  name: string;
  /** Fills `part`, which is then moved to `final`. */
  fill: (part: string, final: string) => Promise<void>;
  /** Tries what has been fetched, in its final place. */
  check: (final: string) => Promise<void>;
}

/** The folder of what was fetched, now or in an earlier run. Two runs at once fetch it once. */
export async function cached({ name, fill, check }: Fetch, context: Context): Promise<string> {
  const folders = cacheFolders(context.env);
  for (const folder of folders) if (await isComplete(join(folder, name))) return join(folder, name);
  const cache = await firstWritable(folders);
  const final = join(cache, name);
  const waiting = (pid: number): void => context.log(`waiting for process ${pid}, which is fetching ${name} ...`);
  await withLock(join(cache, `${name}.lock`), waiting, async () => {
    if (await isComplete(final)) return;
    await removeLeftovers(cache, name);
    const part = join(cache, `${name}.part`);
    try {
      await mkdir(part);
      await fill(part, final);
      await rename(part, final);
      await check(final);
      await writeFile(join(final, MARK), final);
    } catch (error) {
      await removeLeftovers(cache, name);
      throw error;
    }
  });
  return final;
}

/** In order of preference. The last one is for a user without a home that can be written. */
function cacheFolders(env: NodeJS.ProcessEnv): string[] {
  const { ONECONTACT_CACHE: own, XDG_CACHE_HOME: xdg } = env;
  return [
    ...(own ? [own] : []),
    ...(xdg ? [join(xdg, 'onecontact')] : []),
    join(homedir(), '.cache', 'onecontact'),
    join(tmpdir(), `onecontact-cache-${process.getuid?.() ?? 0}`),
  ];
}

async function firstWritable(folders: string[]): Promise<string> {
  for (const folder of folders) if (await isOurs(folder)) return folder;
  throw new Error(`no folder to keep fetched programs in (tried ${folders.join(', ')}); set ONECONTACT_CACHE to one`);
}

/** Ours to write, and (it may lie in the shared /tmp) nobody else's: programs are run from it. */
async function isOurs(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    const { uid, mode } = await stat(folder);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return false;
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function isComplete(final: string): Promise<boolean> {
  try {
    return (await readFile(join(final, MARK), 'utf8')) === final;
  } catch {
    return false;
  }
}

/** What a run that was killed left behind. Only the holder of the lock may call it. */
async function removeLeftovers(cache: string, name: string): Promise<void> {
  const left = (await readdir(cache)).filter((entry) => entry === name || entry === `${name}.part`);
  for (const entry of left) await rm(join(cache, entry), { recursive: true, force: true });
}
