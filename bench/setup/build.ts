import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../../dev/services/command';

const BENCH = resolve(__dirname, '..');
const CHECKOUT = resolve(BENCH, '..');
const BUILD = join(BENCH, 'results/build');

/**
 * Builds all contenders as users run them: the compiled program, without a compiler in its process.
 *
 * @returns the folder that they are in
 */
export async function buildContenders(): Promise<string> {
  await rm(BUILD, { recursive: true, force: true });
  await mkdir(BUILD, { recursive: true });
  for (const name of ['prisma', 'package.json']) await symlink(join(CHECKOUT, name), join(BUILD, name));
  const tsc = join(CHECKOUT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', join(BENCH, 'tsconfig.json')], { cwd: CHECKOUT });
  return join(BUILD, 'bench/contenders');
}
