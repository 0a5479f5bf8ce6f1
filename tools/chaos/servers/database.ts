import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type Kept, keep } from '../../services/keep';
import { canEnter, steps, temporaryFolderFor, unprivilegedOwner } from '../../services/postgres';
import { lastingPorts } from './ports';
import { Restartable } from './restartable';

/** A private PostgreSQL, as durable as in production, that can be stopped and restarted. */
export class ChaosDatabase {
  private constructor(
    readonly url: string,
    readonly version: string,
    private readonly home: Kept,
    private readonly server: Restartable,
  ) {}

  static async start(bin: string): Promise<ChaosDatabase> {
    const owner = await unprivilegedOwner();
    const folder = join(await temporaryFolderFor(owner), `onecontact-chaos-postgres-${randomBytes(6).toString('hex')}`);
    // As root, PostgreSQL runs as another user, which needs a copy of programs it cannot read.
    const copies = (await canEnter(bin, owner)) ? [] : [{ from: dirname(bin), to: join(folder, 'server') }];
    const programs = copies.length > 0 ? join(folder, 'server', 'bin') : bin;
    const password = randomBytes(16).toString('hex');
    const [port] = (await lastingPorts(1)) as [number];
    const [create, run] = steps(programs, folder, port, true);
    if (!create || !run) throw new Error('PostgreSQL has other steps than expected');
    const home = await keep({
      folder,
      ...(owner && { owner }),
      directories: [],
      files: [{ path: join(folder, 'password'), content: password }],
      copies,
      steps: [create],
    });
    try {
      const server = new Restartable(folder, run, owner);
      const version = /starting PostgreSQL (\S+)/.exec(await server.start())?.[1] ?? '';
      return new ChaosDatabase(`postgresql://onecontact:${password}@127.0.0.1:${port}/postgres`, version, home, server);
    } catch (error) {
      await home.stop();
      throw error;
    }
  }

  get up(): boolean {
    return this.server.up;
  }

  /** `killed`: an immediate shutdown, which loses unwritten data like a power cut; `stopped`: ends all sessions first. */
  async down(how: 'killed' | 'stopped'): Promise<void> {
    await this.server.end(how === 'killed' ? 'SIGQUIT' : 'SIGINT');
  }

  async restart(): Promise<void> {
    await this.server.start();
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.home.stop();
  }
}
