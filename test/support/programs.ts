/** Programs that read what `deploy/` has, installed here, or fetched from Debian's packages. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { pathFolders, run } from '../../tools/services/command';
import { KEYRING } from '../../tools/services/debian';
import { type FetchedProgram, findCurl, findLoneProgram, type LoneProgram } from '../../tools/services/fetch-programs';

/** The first test to need a program may have to fetch it. */
export const FETCH_MS = 600_000;

const context = {
  log: (line: string) => void process.stderr.write(`${line}\n`),
  env: process.env,
  durable: false,
};

export const findProgram = (program: LoneProgram): Promise<FetchedProgram> => findLoneProgram(program, context);

interface Run {
  /** For the program's stdin. */
  input?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end. @returns its stdout @throws Error with what it complains about */
export async function runProgram(program: LoneProgram, args: string[], options: Run = {}): Promise<string> {
  const { path, env } = await findProgram(program);
  return run(path, args, { ...options, env: { ...process.env, ...env, ...options.env } });
}

/** Tests that need such a program: left out where it is neither installed nor can be fetched. */
export const describeWith = (program: LoneProgram) => (canHave(program) ? describe : describe.skip);

function canHave(program: LoneProgram): boolean {
  const isThere = (name: string): boolean => pathFolders(process.env).some((folder) => existsSync(join(folder, name)));
  if (program === 'promtool' || program === 'prometheus') return isThere(program) || isThere('apt-get');
  return isThere('apt-get') && existsSync(KEYRING);
}

/** For the top of a shell script that uses curl: nothing where it is installed, else a function that runs a fetched one. */
export async function curlForScripts(): Promise<string> {
  const { path, home, env } = await findCurl(context);
  return home === undefined ? '' : `curl() { LD_LIBRARY_PATH='${env.LD_LIBRARY_PATH}' '${path}' "$@"; }\n`;
}
