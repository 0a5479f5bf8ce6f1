/**
 * The limit of the database: the rows of a load written by bare statements over sets, one a table, prepared, in batches
 * and over connections as OneContact has them. No broker, no look-ups, no rules: what there is to write is known.
 */
import { Client } from 'pg';
import type { Act } from '../load/acts';
import { now } from './clock';
import { statementsOf } from './database-limit-rows';
import { BATCH_SIZE, CONCURRENCY } from './programs';

export class DatabaseLimit {
  readonly #clients: readonly Client[];

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
  }

  static async open(url: string): Promise<DatabaseLimit> {
    const clients = Array.from(
      { length: CONCURRENCY },
      () => new Client({ connectionString: url, options: '-c jit=off' }),
    );
    await Promise.all(clients.map((client) => client.connect()));
    return new DatabaseLimit(clients);
  }

  /** @returns how many milliseconds it took; what is to be written has been put together before */
  async write(acts: readonly Act[]): Promise<number> {
    const batches: ReturnType<typeof statementsOf>[] = [];
    for (let from = 0; from < acts.length; from += BATCH_SIZE) {
      batches.push(statementsOf(acts.slice(from, from + BATCH_SIZE)));
    }
    const begin = now();
    await Promise.all(
      this.#clients.map(async (client) => {
        for (let batch = batches.shift(); batch; batch = batches.shift()) {
          await client.query('BEGIN');
          for (const statement of batch) await client.query(statement);
          await client.query('COMMIT');
        }
      }),
    );
    return now() - begin;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
