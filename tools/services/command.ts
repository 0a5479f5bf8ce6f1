import { type ExecFileOptions, execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** A download over a slow line takes minutes; more than this is a line that is down. */
const LIMIT_MS = 15 * 60_000;

/** Runs a program to its end and gives what it wrote. The error of one that fails shows its first lines. */
export function run(command: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { timeout: LIMIT_MS, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8', ...options },
      (error, stdout, stderr) => {
        if (!error) return resolve(String(stdout));
        const said = `${stderr}`.trim() || `${stdout}`.trim() || error.message;
        reject(new Error(`${[command, args[0]].join(' ')} failed: ${said.split('\n').slice(0, 3).join(' / ')}`));
      },
    );
  });
}

/** The first of these folders in which there is a program of this name. */
export async function findProgram(name: string, folders: string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folders of PATH. */
export function pathFolders(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
}
