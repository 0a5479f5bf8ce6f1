import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { compile } from '../../program/build';

const FOLDER = resolve(__dirname, '../results/build');

/**
 * Builds all contenders as users run them: the compiled program, without a compiler in its process.
 *
 * @returns the folder that they are in
 */
export async function buildContenders(): Promise<string> {
  await rm(FOLDER, { recursive: true, force: true });
  return join(await compile('tools/bench/tsconfig.json', FOLDER, '.'), 'tools/bench/contenders');
}
