import { access, constants, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../bootstrap/lock.cjs';
import type { Context } from './types';

/** Marks a folder of the cache as complete, and contains its path: fetched programs may have their own path in them. */
const MARK = '.complete';

export interface Fetch {
  /** The folder's name, with everything that may differ (version, platform). */
  name: string;
  /** Fills `part`, which is then renamed to `final`. */
  fill: (part: string, final: string) => Promise<void>;
  /** Tries the fetched programs in their final place. */
  check: (final: string) => Promise<void>;
}

/** The folder of fetched programs, from this or an earlier run. Concurrent runs fetch them once. */
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

/** In order of preference. The last one is for a user without a writable home. */
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
  for (const folder of folders) if (await isSafe(folder)) return folder;
  throw new Error(`no folder to keep fetched programs in (tried ${folders.join(', ')}); set ONECONTACT_CACHE to one`);
}

/** Whether only this user can write to the folder, which may lie in the shared /tmp: programs are run from it. */
async function isSafe(folder: string): Promise<boolean> {
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

const isComplete = async (final: string): Promise<boolean> =>
  (await readFile(join(final, MARK), 'utf8').catch(() => '')) === final;

/** Removes the folders of a killed run. Only the holder of the lock may call it. */
async function removeLeftovers(cache: string, name: string): Promise<void> {
  for (const entry of [name, `${name}.part`]) await rm(join(cache, entry), { recursive: true, force: true });
}
