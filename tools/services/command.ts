import { type ExecFileOptions, execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** A download over a slow line takes minutes; a longer one has failed. */
const LIMIT_MS = 15 * 60_000;

export const HOMEBREW = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'];

interface RunOptions extends ExecFileOptions {
  /** For the program's stdin. */
  input?: string;
}

/** Runs a program to its end, or to the end of this process. @returns its stdout @throws Error with the first lines that it wrote */
export function run(command: string, args: string[], { input, ...options }: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const program = execFile(
      command,
      args,
      { timeout: LIMIT_MS, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8', ...options },
      (error, stdout, stderr) => {
        process.off('exit', kill);
        if (!error) return resolve(String(stdout));
        const said = `${stderr}`.trim() || `${stdout}`.trim() || error.message;
        reject(new Error(`${[command, args[0]].join(' ')} failed: ${said.split('\n').slice(0, 3).join(' / ')}`));
      },
    );
    const kill = (): void => void program.kill();
    process.once('exit', kill);
    if (input !== undefined) program.stdin?.end(input);
  });
}

/** The path of the first executable of this name in these folders. */
export async function findProgram(name: string, folders: string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  return undefined;
}

/** The folders of PATH. */
export function pathFolders(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
}
