import { mkdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../services/command';

const CHECKOUT = resolve(__dirname, '../..');

/**
 * Compiles the command line as in the package: it starts faster than from sources, and edits in the checkout do not affect
 * it. @returns the program
 */
export async function buildCli(folder: string): Promise<string> {
  const dist = await compile('tsconfig.build.json', folder, 'dist');
  return join(dist, 'cli/main.js');
}

/**
 * Compiles the files of a TypeScript configuration.
 *
 * @param folder a new folder; gets links to the files that programs read from the checkout
 * @param place of the output in the folder
 * @returns the output's path
 */
export async function compile(config: string, folder: string, place: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of ['node_modules', 'prisma', 'package.json'])
    await symlink(join(CHECKOUT, name), join(folder, name));
  const out = join(folder, place);
  const tsc = join(CHECKOUT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', config, '--outDir', out], { cwd: CHECKOUT });
  return out;
}
