import { randomBytes } from 'node:crypto';
import { chown, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { type Kept, keep, type Owner, type Step } from '../../services/keep';
import { canEnter, steps, temporaryFolderFor, unprivilegedOwner } from '../../services/postgres';
import { lastingPorts } from './ports';
import { Restartable } from './restartable';

/** A standby reads from its primary what was written since the copy of the data was begun. */
const REPLICABLE = 'wal_keep_size=1GB';
/** Copies the data folder $1 to $2, without what belongs to the running server alone. */
const COPY =
  'mkdir -m 700 "$2" && tar -cf - -C "$1" --exclude "./pg_wal/*" --exclude ./postmaster.pid . | tar -xf - -C "$2"';

interface Place {
  /** PostgreSQL's programs, as they were found. */
  bin: string;
  folder: string;
  owner: Owner | undefined;
  port: number;
  password: string;
}

/** A private PostgreSQL, as durable as in production, that can be stopped and restarted, and can have standbys. */
export class ChaosDatabase {
  version = '';

  private constructor(
    private readonly place: Place,
    private readonly home: Kept,
    private readonly server: Restartable,
  ) {}

  static async start(bin: string, settings: readonly string[] = []): Promise<ChaosDatabase> {
    const place = await newPlace(bin, randomBytes(16).toString('hex'));
    return ChaosDatabase.#startIn(place, settings, ([create]) => [create]);
  }

  /** A new streaming standby of this server, which must be up. */
  async startStandby(settings: readonly string[] = []): Promise<ChaosDatabase> {
    const place = await newPlace(this.place.bin, this.place.password);
    const source = join(this.place.folder, 'data');
    const data = join(place.folder, 'data');
    const copyOf = ({ env }: Step): Step => {
      return { command: '/bin/sh', args: ['-c', COPY, 'sh', source, data], env, timeoutMs: 120_000, signal: 'SIGKILL' };
    };
    const client = new Client({ connectionString: this.url });
    await client.connect();
    try {
      const { rows } = await client.query("SELECT current_setting('server_version_num')::int >= 150000 AS renamed");
      const [begin, end] = rows[0].renamed
        ? ["pg_backup_start('standby', true)", 'pg_backup_stop(false)']
        : ["pg_start_backup('standby', true, false)", 'pg_stop_backup(false, false)'];
      await client.query(`SELECT ${begin}`);
      return await ChaosDatabase.#startIn(
        place,
        settings,
        ([create]) => [copyOf(create)],
        async () => {
          const label = await client.query(`SELECT labelfile FROM ${end}`);
          const primary = `host=127.0.0.1 port=${this.place.port} user=onecontact password=${place.password}`;
          const files = {
            backup_label: label.rows[0].labelfile as string,
            'standby.signal': '',
            'postgresql.auto.conf': `primary_conninfo = '${primary}'\n`,
          };
          for (const [name, content] of Object.entries(files)) {
            await writeFile(join(data, name), content);
            if (place.owner) await chown(join(data, name), place.owner.uid, place.owner.gid);
          }
        },
      );
    } finally {
      await client.end();
    }
  }

  /** @param prepare the steps that create the data, and `complete` what follows them */
  static async #startIn(
    place: Place,
    settings: readonly string[],
    prepare: (steps: readonly [Step, Step]) => Step[],
    complete = async (): Promise<void> => undefined,
  ): Promise<ChaosDatabase> {
    const { bin, folder, owner, port, password } = place;
    // As root, PostgreSQL runs as another user, which needs a copy of programs it cannot read.
    const copies = (await canEnter(bin, owner)) ? [] : [{ from: dirname(bin), to: join(folder, 'server') }];
    const programs = copies.length > 0 ? join(folder, 'server', 'bin') : bin;
    const [create, run] = steps(programs, folder, port, true, [REPLICABLE, ...settings]);
    if (!create || !run) throw new Error('PostgreSQL has other steps than expected');
    const home = await keep({
      folder,
      ...(owner && { owner }),
      files: [{ path: join(folder, 'password'), content: password }],
      copies,
      steps: prepare([create, run]),
    });
    try {
      await complete();
      // Of a standby, the server says that it accepts read-only connections.
      const server = new Restartable(folder, { ...run, until: 'database system is ready to accept' }, owner);
      const database = new ChaosDatabase(place, home, server);
      database.version = /starting PostgreSQL (\S+)/.exec(await server.start())?.[1] ?? '';
      return database;
    } catch (error) {
      await home.stop();
      throw error;
    }
  }

  get url(): string {
    const { port, password } = this.place;
    return `postgresql://onecontact:${password}@127.0.0.1:${port}/postgres`;
  }

  get up(): boolean {
    return this.server.up;
  }

  /** Makes a standby the primary. Resolves when it accepts writes. */
  async promote(): Promise<void> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    try {
      const { rows } = await client.query('SELECT pg_promote(true, 60) AS promoted');
      if (!rows[0].promoted) throw new Error('the standby was not promoted within 60 s');
    } finally {
      await client.end();
    }
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

async function newPlace(bin: string, password: string): Promise<Place> {
  const owner = await unprivilegedOwner();
  const folder = join(await temporaryFolderFor(owner), `onecontact-chaos-postgres-${randomBytes(6).toString('hex')}`);
  const [port] = (await lastingPorts(1)) as [number];
  return { bin, folder, owner, port, password };
}
