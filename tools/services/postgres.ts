/** PostgreSQL's programs on this machine, and a private server started from them. */
import { randomBytes } from 'node:crypto';
import { readdir, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findProgram, HOMEBREW, pathFolders, run } from './command';
import { certificateFiles, keep, type Owner, onFreePorts, type Step } from './keep';
import { type Context, type Service, Unavailable } from './types';

/** Speeds up tests, whose data need not survive a power cut. */
export const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
export const MAX_CONNECTIONS = 'max_connections=200';
const USER = 'onecontact';

/** Debian keeps each version in a folder outside PATH. */
const DEBIAN = '/usr/lib/postgresql';
const OLDEST = 14;
/** PostgreSQL refuses to run as root. One of these users exists on most machines; none is ever added. */
const UNPRIVILEGED = ['postgres', 'nobody'];

/** The folder of the newest PostgreSQL on this machine that has its version in its path, else of the one in PATH. */
export async function installedPostgres({ env }: Context): Promise<string> {
  const initdb = await findProgram('initdb', [...(await versionFolders()), ...pathFolders(env)]);
  if (!initdb) throw new Unavailable(`no PostgreSQL (${OLDEST} or later) is installed here`);
  return dirname(await realpath(initdb));
}

async function versionFolders(): Promise<string[]> {
  const homes = [DEBIAN, ...HOMEBREW.map((home) => join(home, 'opt'))];
  const found = await Promise.all(
    homes.map(async (home) => {
      const names = await readdir(home).catch(() => []);
      return names.flatMap((name) => {
        const version = Number((home === DEBIAN ? /^(\d+)/ : /^postgresql@(\d+)/).exec(name)?.[1]);
        return version >= OLDEST ? { version, folder: join(home, name, 'bin') } : [];
      });
    }),
  );
  return found
    .flat()
    .sort((a, b) => b.version - a.version)
    .map(({ folder }) => folder);
}

/** Starts a private PostgreSQL from the programs in `bin`: own folder, port and password, loopback only. */
export async function runPostgres(bin: string, { tls, settings = [], durable }: Context): Promise<Service> {
  const owner = await unprivilegedOwner();
  const folder = join(await temporaryFolderFor(owner), `onecontact-postgres-${randomBytes(6).toString('hex')}`);
  // Root's programs may lie in a closed folder (~/.cache): the user that PostgreSQL runs as gets a copy.
  const copy = (await canEnter(bin, owner)) ? undefined : { from: dirname(bin), to: join(folder, 'server') };
  const programs = copy ? join(copy.to, 'bin') : bin;
  const password = randomBytes(16).toString('hex');
  // Paths of settings are relative to the data folder.
  const tlsSettings = tls ? ['ssl=on', 'ssl_cert_file=../server.pem', 'ssl_key_file=../server.key'] : [];
  return onFreePorts(1, async ([port]) => {
    const { output, stop } = await keep({
      folder,
      ...(owner && { owner }),
      files: [{ path: join(folder, 'password'), content: password }, ...certificateFiles(folder, tls)],
      copies: copy ? [copy] : [],
      steps: steps(programs, folder, port!, durable, [...settings, ...tlsSettings]),
    });
    return {
      url: `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`,
      version: `PostgreSQL ${/starting PostgreSQL (\S+)/.exec(output)?.[1] ?? ''}`.trim(),
      stop,
    };
  });
}

/** Creates the data folder, then starts the server. */
export function steps(
  programs: string,
  folder: string,
  port: number,
  durable: boolean,
  more: readonly string[] = [],
): Step[] {
  const data = join(folder, 'data');
  const env = { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C', TZ: 'UTC' };
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=', // none: a socket's path may have only 107 bytes
    MAX_CONNECTIONS,
    'logging_collector=off',
    ...(durable ? [] : NOT_DURABLE),
    ...more,
  ];
  return [
    {
      command: join(programs, 'initdb'),
      args: [
        ...['--pgdata', data, '--username', USER, '--pwfile', join(folder, 'password'), '--auth', 'scram-sha-256'],
        ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions'],
      ],
      env,
      timeoutMs: 120_000,
      // No signal: cut short, initdb leaves the shared memory of its own servers behind.
    },
    {
      command: join(programs, 'postgres'),
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      env,
      until: 'database system is ready to accept connections',
      timeoutMs: 60_000,
      signal: 'SIGQUIT', // immediate, and unlike SIGKILL releases the shared memory
    },
  ];
}

/** The existing user to run PostgreSQL as; undefined if this process is not root. */
export async function unprivilegedOwner(): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of UNPRIVILEGED) {
    try {
      return { uid: Number(await run('id', ['-u', name])), gid: Number(await run('id', ['-g', name])) };
    } catch {
      // this user does not exist
    }
  }
  throw new Unavailable(
    `PostgreSQL does not run as root, and there is no user ${UNPRIVILEGED.join(' or ')} to run it as`,
  );
}

/** A folder for temporary files that this user can enter: TMPDIR may lie in a closed home. */
export async function temporaryFolderFor(owner: Owner | undefined): Promise<string> {
  const folders = [tmpdir(), '/tmp', '/var/tmp'];
  for (const folder of folders) if (await canEnter(folder, owner)) return folder;
  throw new Unavailable(`no folder for temporary files that uid ${owner?.uid} can enter (tried ${folders.join(', ')})`);
}

/** Whether the kernel lets this user enter the folder: modes alone do not say. */
export function canEnter(folder: string, owner: Owner | undefined): Promise<boolean> {
  return run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', ...owner }).then(
    () => true,
    () => false,
  );
}
