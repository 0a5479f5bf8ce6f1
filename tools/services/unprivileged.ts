import { tmpdir } from 'node:os';
import { run } from './command';
import type { Owner } from './keep';
import { Unavailable } from './types';

/** PostgreSQL refuses to run as root. These users exist on most machines; none is ever added. */
const CANDIDATES = ['postgres', 'nobody'];

/** The user to run PostgreSQL as: none (we are an ordinary user ourselves), or an existing one. */
export async function unprivilegedOwner(): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    try {
      return { uid: Number(await run('id', ['-u', name])), gid: Number(await run('id', ['-g', name])) };
    } catch {
      // no such user here
    }
  }
  throw new Unavailable(
    `PostgreSQL does not run as root, and there is no user ${CANDIDATES.join(' or ')} to run it as`,
  );
}

/** A folder for temporary files that this user can enter: TMPDIR may lie in a home that is closed to others. */
export async function temporaryFolderFor(owner: Owner | undefined): Promise<string> {
  const folders = [tmpdir(), '/tmp', '/var/tmp'];
  for (const folder of folders) if (await canEnter(folder, owner)) return folder;
  throw new Unavailable(`no folder for temporary files that uid ${owner?.uid} can enter (tried ${folders.join(', ')})`);
}

/** Whether this user can enter the folder, and every folder above it. Asked of the kernel: modes are not all there is. */
export async function canEnter(folder: string, owner: Owner | undefined): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', ...owner });
    return true;
  } catch {
    return false;
  }
}
