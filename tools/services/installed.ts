import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findProgram, pathFolders } from './command';
import { programsOf, type RabbitPrograms } from './run-rabbitmq';
import { type Context, Unavailable } from './types';

const HOMEBREW = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'];
/** Debian keeps each version's programs in a folder of its own, outside PATH. */
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
const OLDEST_POSTGRES = 14;

/** The folder of a PostgreSQL's programs on this machine: of those that have a version in their path, the highest. */
export async function installedPostgres({ env }: Context): Promise<string> {
  const folders = [...(await versionFolders()), ...pathFolders(env)];
  const initdb = await findProgram('initdb', folders);
  if (!initdb) throw new Unavailable(`no PostgreSQL (${OLDEST_POSTGRES} or later) is installed here`);
  return dirname(await realpath(initdb));
}

async function versionFolders(): Promise<string[]> {
  const debian = (await entries(DEBIAN_POSTGRES)).map((name) => versioned(name, join(DEBIAN_POSTGRES, name, 'bin')));
  const brewed = HOMEBREW.map(async (home) =>
    (await entries(join(home, 'opt')))
      .filter((name) => name.startsWith('postgresql@'))
      .map((name) => versioned(name.slice('postgresql@'.length), join(home, 'opt', name, 'bin'))),
  );
  return [...debian, ...(await Promise.all(brewed)).flat()]
    .filter(({ version }) => version >= OLDEST_POSTGRES)
    .sort((a, b) => b.version - a.version)
    .map(({ folder }) => folder);
}

const versioned = (version: string, folder: string): { version: number; folder: string } => ({
  version: Number(version),
  folder,
});

const entries = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** The programs of a RabbitMQ on this machine. */
export async function installedRabbit({ env }: Context): Promise<RabbitPrograms> {
  // Not those in /usr/sbin: they are Debian's wrappers, which want root and the user rabbitmq.
  const inPath = pathFolders(env).filter((folder) => !/^(\/usr)?\/sbin\/?$/.test(folder));
  const brewed = HOMEBREW.flatMap((home) => [join(home, 'opt/rabbitmq/sbin'), join(home, 'sbin')]);
  const server = await findProgram('rabbitmq-server', [...inPath, '/usr/lib/rabbitmq/bin', ...brewed]);
  if (!server) throw new Unavailable('no RabbitMQ is installed here');
  const erlangs = HOMEBREW.flatMap((home) => [join(home, 'opt/erlang/bin'), join(home, 'bin')]);
  const erl = await findProgram('erl', [...inPath, '/usr/lib/erlang/bin', ...erlangs]);
  if (!erl) throw new Unavailable(`there is ${server}, but no Erlang (erl) to run it`);
  return programsOf(server, await realpath(erl), env);
}
