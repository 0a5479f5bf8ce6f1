import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/postgres/migrations/migrate';
import { buildCli } from '../program/build';
import { ChaosBroker } from './servers/broker';
import { ChaosDatabase } from './servers/database';
import { findPrograms } from './servers/programs';

/** A folder, servers and the built program of one run; and whatever else is started for it, ended in the reverse order. */
export class Premises {
  readonly #ends: (() => unknown)[] = [];
  folder!: string;
  broker!: ChaosBroker;
  /** With its schema. */
  database!: ChaosDatabase;
  /** The command line, built. */
  protected program!: string;

  /** @param name of the folder; @param nodes of the broker */
  protected async open(name: string, nodes: number, log: (line: string) => void): Promise<void> {
    const programs = await findPrograms({ log, env: process.env, durable: true });
    this.folder = await mkdtemp(join(tmpdir(), `onecontact-${name}-`));
    const [built, broker, database] = await Promise.allSettled([
      buildCli(join(this.folder, 'app')),
      ChaosBroker.start(programs.rabbit, nodes),
      ChaosDatabase.start(programs.postgres),
    ]);
    if (broker.status === 'fulfilled') this.atEnd(() => broker.value.stop());
    if (database.status === 'fulfilled') this.atEnd(() => database.value.stop());
    if (built.status === 'rejected') throw built.reason;
    if (broker.status === 'rejected') throw broker.reason;
    if (database.status === 'rejected') throw database.reason;
    [this.program, this.broker, this.database] = [built.value, broker.value, database.value];
    await migrate(this.database.url);
  }

  protected atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Ends everything; never rejects. */
  async strike(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch {
        // the others must end all the same
      }
    }
  }

  async forget(): Promise<void> {
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}
