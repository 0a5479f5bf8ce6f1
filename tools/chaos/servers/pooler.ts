import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import type { FetchedProgram } from '../../services/fetch-programs';
import { type Kept, keep } from '../../services/keep';
import { canEnter, temporaryFolderFor, unprivilegedOwner } from '../../services/postgres';
import { lastingPorts } from './ports';
import { Restartable } from './restartable';

export interface PoolerOptions {
  /** The database behind it, with the credentials that clients use too. */
  url: string;
  /** @default session */
  mode?: 'session' | 'transaction';
  /** More lines of its section of the configuration file; all else has PgBouncer's defaults. */
  settings?: readonly string[];
}

/** A private PgBouncer that can be killed and restarted. */
export class ChaosPooler {
  private constructor(
    /** The database's URL, through the pooler. */
    readonly url: string,
    private readonly home: Kept,
    private readonly server: Restartable,
  ) {}

  static async start(program: FetchedProgram, options: PoolerOptions): Promise<ChaosPooler> {
    const { mode = 'session', settings = [] } = options;
    const target = new URL(options.url);
    const owner = await unprivilegedOwner(); // PgBouncer refuses to run as root, as PostgreSQL does
    const folder = join(await temporaryFolderFor(owner), `onecontact-pgbouncer-${randomBytes(6).toString('hex')}`);
    const { home: fetched = '' } = program;
    const copies =
      fetched === '' || (await canEnter(fetched, owner)) ? [] : [{ from: fetched, to: join(folder, 'server') }];
    const inCopy = (paths = ''): string =>
      copies.length > 0 ? paths.replaceAll(fetched, join(folder, 'server')) : paths;
    const [port] = (await lastingPorts(1)) as [number];
    const configuration = [
      '[databases]',
      `* = host=${target.hostname} port=${target.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${join(folder, 'users')}`,
      `pool_mode = ${mode}`,
      ...settings,
      '',
    ];
    const file = join(folder, `${basename(program.path)}.ini`);
    const home = await keep({
      folder,
      ...(owner && { owner }),
      files: [
        { path: file, content: configuration.join('\n') },
        { path: join(folder, 'users'), content: `"${target.username}" "${target.password}"\n` },
      ],
      copies,
      steps: [],
    });
    const server = new Restartable(
      folder,
      {
        command: inCopy(program.path),
        args: [file],
        env: { PATH: process.env.PATH, LD_LIBRARY_PATH: inCopy(program.env.LD_LIBRARY_PATH) },
        until: 'process up',
        timeoutMs: 20_000,
        signal: 'SIGKILL',
      },
      owner,
    );
    try {
      await server.start();
    } catch (error) {
      await home.stop();
      throw error;
    }
    const url = new URL(options.url);
    url.port = String(port);
    return new ChaosPooler(url.href, home, server);
  }

  /** `killed`: all connections are lost at once; `stopped`: likewise, but told so. */
  async down(how: 'killed' | 'stopped'): Promise<void> {
    await this.server.end(how === 'killed' ? 'SIGKILL' : 'SIGTERM');
  }

  async restart(): Promise<void> {
    await this.server.start();
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.home.stop();
  }
}
