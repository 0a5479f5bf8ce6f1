/** Programs that only some tests need, installed here or fetched into the cache from the machine's own release. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache';
import { findProgram, pathFolders, run } from './command';
import { unpackPackages } from './debian';
import type { Context } from './types';

export interface FetchedProgram {
  path: string;
  /** The folder of everything that was fetched with it; absent for an installed program. */
  home?: string;
  env: NodeJS.ProcessEnv;
}

/** The libraries that PgBouncer links to, without the C library, which is the machine's. */
const LIBRARIES = /^lib(event-|c-?ares2|pam0g|ssl3|systemd0|elogind0|cap2|cap-ng0|audit1|gcrypt20|gpg-error0|crypt1)/;
const COMPRESSION = /^lib(lz4-1|lzma5|zstd1|xxhash0)$/;

/** The architecture in the paths of Debian's libraries. */
const TRIPLET = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** LD_LIBRARY_PATH for unpacked packages; `folders` are those below Debian's folder that libraries name in full. */
export const libraryPath = (home: string, ...folders: string[]): string =>
  ['', ...folders]
    .flatMap((folder) => [join(home, 'usr/lib', TRIPLET, folder), join(home, 'lib', TRIPLET, folder)])
    .join(':');

export const findPgBouncer = (context: Context): Promise<FetchedProgram> =>
  installedOrFetched({ name: 'pgbouncer', what: 'PgBouncer', path: 'usr/sbin/pgbouncer' }, context, (name) =>
    name === 'pgbouncer' || LIBRARIES.test(name) || COMPRESSION.test(name) ? '.' : undefined,
  );

/** With all its libraries but the C library, which is the machine's. */
export const findCurl = (context: Context): Promise<FetchedProgram> =>
  installedOrFetched({ name: 'curl', what: 'curl', path: 'usr/bin/curl' }, context, (name) =>
    name === 'curl' || /^lib(?!c6$|c-bin$|gcc)/.test(name) ? '.' : undefined,
  );

const COMPOSE = 'usr/libexec/docker/cli-plugins/docker-compose';

/** Programs that need no other package. Older releases lack the last two, or have versions that are too old. */
const ALONE = {
  prometheus: { name: 'prometheus', what: 'Prometheus', path: 'usr/bin/prometheus' },
  promtool: { name: 'prometheus', what: 'Prometheus', path: 'usr/bin/promtool' },
  kustomize: { name: 'kustomize', what: 'kustomize', path: 'usr/bin/kustomize', version: 'version', suite: 'trixie' },
  compose: { name: 'docker-compose', what: 'Docker Compose', path: COMPOSE, version: 'version', suite: 'trixie' },
} as const satisfies Record<string, Package>;
export type LoneProgram = keyof typeof ALONE;

export const findLoneProgram = (program: LoneProgram, context: Context): Promise<FetchedProgram> =>
  installedOrFetched(ALONE[program], context, (name) => (name === ALONE[program].name ? '.' : undefined));

interface Package {
  name: string;
  what: string;
  /** Of the program, in the package. */
  path: string;
  /** What makes it say its version. Default: --version. */
  version?: string;
  /** The release of Debian to take it from, whatever is installed. Default: the machine's own. */
  suite?: string;
}

async function installedOrFetched(
  { name, what, path, version = '--version', suite }: Package,
  context: Context,
  folderOf: (name: string) => string | undefined,
): Promise<FetchedProgram> {
  const program = path.split('/').at(-1) as string;
  const installed = suite === undefined && (await findProgram(program, [...pathFolders(context.env), '/usr/sbin']));
  if (installed) return { path: installed, env: {} };
  const env = (home: string): NodeJS.ProcessEnv => ({ LD_LIBRARY_PATH: libraryPath(home) });
  const home = await cached(
    {
      name: `${name}-${process.arch}`,
      fill: async (part) => {
        const from = suite === undefined ? {} : { suite, orOwnRelease: true };
        await unpackPackages({ what, packages: [name], folderOf, ...from }, part, context);
        await rm(join(part, 'usr/share'), { recursive: true, force: true });
      },
      check: async (final) => void (await run(join(final, path), [version], { env: env(final) })),
    },
    context,
  );
  return { path: join(home, path), home, env: env(home) };
}
