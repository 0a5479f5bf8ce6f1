import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type Job, keep, type Step } from './keep';
import { onFreePorts } from './ports';
import type { Context, Service } from './types';
import { canEnter, temporaryFolderFor, unprivilegedOwner } from './unprivileged';

/** What tests do not need: nobody cares for their data after a power cut. */
export const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
export const MAX_CONNECTIONS = 'max_connections=200';
const USER = 'onecontact';

/** Starts a private PostgreSQL from the programs in `bin`: own folder, own port, own password, loopback only. */
export async function runPostgres(bin: string, context: Context): Promise<Service> {
  const owner = await unprivilegedOwner();
  const folder = join(await temporaryFolderFor(owner), `onecontact-postgres-${randomBytes(6).toString('hex')}`);
  // As root, with programs in a folder closed to others (~/.cache): the user that PostgreSQL runs as gets a copy.
  const home = dirname(bin);
  const copies = (await canEnter(bin, owner)) ? [] : [{ from: home, to: join(folder, 'server') }];
  const programs = copies.length > 0 ? join(folder, 'server', 'bin') : bin;
  const password = randomBytes(16).toString('hex');
  const { tls } = context;
  // Paths are relative to the data folder.
  const settings = [
    ...(context.settings ?? []),
    ...(tls ? ['ssl=on', 'ssl_cert_file=../server.pem', 'ssl_key_file=../server.key'] : []),
  ];

  return onFreePorts(1, async ([port]) => {
    const { output, stop } = await keep({
      folder,
      ...(owner && { owner }),
      directories: [],
      files: [
        { path: join(folder, 'password'), content: password },
        ...(tls ? [{ path: join(folder, 'server.pem'), content: tls.certificate }] : []),
        ...(tls ? [{ path: join(folder, 'server.key'), content: tls.key }] : []),
      ],
      copies,
      steps: steps(programs, folder, port!, context.durable, settings),
    } satisfies Job);
    return {
      url: `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`,
      version: `PostgreSQL ${/starting PostgreSQL (\S+)/.exec(output)?.[1] ?? ''}`.trim(),
      stop,
    };
  });
}

/** First the data folder, then the server. */
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
      // No signal: one that is cut short leaves the shared memory of its own servers behind.
    },
    {
      command: join(programs, 'postgres'),
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      env,
      until: 'database system is ready to accept connections',
      timeoutMs: 60_000,
      // Ends at once, and unlike SIGKILL gives the kernel back its shared memory.
      signal: 'SIGQUIT',
    },
  ];
}
