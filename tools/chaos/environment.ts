import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/postgres/migrations/migrate';
import { buildCli } from '../program/build';
import { ChaosBroker } from './servers/broker';
import { ChaosDatabase } from './servers/database';
import { findPrograms } from './servers/programs';

/** The folder, servers and compiled program of one run. Everything started for the run ends with it, in reverse order. */
export class Environment {
  readonly #ends: (() => unknown)[] = [];
  folder!: string;
  broker!: ChaosBroker;
  /** With our schema. */
  database!: ChaosDatabase;
  /** The compiled command line. */
  protected program!: string;

  /** @param name part of the folder's name; @param nodes of the broker */
  protected async open(name: string, nodes: number, log: (line: string) => void): Promise<void> {
    const programs = await findPrograms({ log, env: process.env, durable: true });
    this.folder = await mkdtemp(join(tmpdir(), `onecontact-${name}-`));
    const starting = [
      buildCli(join(this.folder, 'app')).then((program) => {
        this.program = program;
      }),
      ChaosBroker.start(programs.rabbit, nodes).then((broker) => {
        this.broker = broker;
        this.atEnd(() => broker.stop());
      }),
      ChaosDatabase.start(programs.postgres).then((database) => {
        this.database = database;
        this.atEnd(() => database.stop());
      }),
    ];
    await Promise.allSettled(starting); // what has started late must end too
    await Promise.all(starting);
    await migrate(this.database.url);
  }

  protected atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Ends everything. Never rejects. */
  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch {
        // the others must end too
      }
    }
  }

  async removeFolder(): Promise<void> {
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}
