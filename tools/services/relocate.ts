import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from './command';

export interface Relocation {
  /** Where the files are now. */
  part: string;
  /** Where they will be when they run. */
  final: string;
  /** Erlang's folder, from there. */
  erlang: string;
  /** The folder of the C library and the others that Erlang's programs link to. */
  runtime: string;
}

/**
 * Makes Erlang's programs run from a folder of ours, on a machine with another C library than theirs.
 *
 * They name the loader and look for libraries in the system's folders; `patchelf` (fetched with them, and run with
 * their C library too) names ours instead. Erlang's start scripts have a path to correct as well.
 */
export async function relocate({ part, final, erlang, runtime }: Relocation): Promise<void> {
  const libraries = await filesIn(join(part, runtime));
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

  for (const file of await filesIn(join(part, erlang))) {
    if (!(await isElf(file))) continue;
    const interpreter = /\.so(\.\d+)*$/.test(file) ? [] : ['--set-interpreter', inPlace(loader)];
    const changes = [...interpreter, '--force-rpath', '--set-rpath', inPlace(searched), file];
    await run(loader, ['--library-path', searched, patchelf, ...changes]);
  }
  const scripts = (await filesIn(join(part, erlang))).filter((path) => path.endsWith('/bin/erl'));
  for (const script of scripts) {
    const text = await readFile(script, 'utf8');
    await writeFile(script, text.replaceAll(`ROOTDIR=/${erlang}`, `ROOTDIR="${join(final, erlang)}"`));
  }
}

/** Ordinary files (no links), at any depth. */
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
