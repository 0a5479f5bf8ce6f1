import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Load } from './load';
import type { Message } from './message';
import type { Orders, Told } from './producer';

const CHECKOUT = resolve(__dirname, '../..');

interface Running {
  child: ChildProcess;
  told: Told;
  file: string;
  ready: Promise<unknown>;
  ended: Promise<unknown>;
}

/** The producers' processes. */
export class Producers {
  readonly #running: Running[] = [];

  constructor(load: Load, amqpUrls: readonly string[], folder: string) {
    for (const [number, amqpUrl] of amqpUrls.entries()) {
      const file = join(folder, `sent-${number + 1}.ndjson`);
      const orders: Orders = { number, load, amqpUrl, file };
      const child = fork('tools/run.mjs', ['script', join(__dirname, 'producer.ts')], {
        cwd: CHECKOUT,
        env: { ...process.env, CHAOS_ORDERS: JSON.stringify(orders) },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const running: Running = {
        child,
        told: { confirmed: 0, again: 0, behind: 0, done: false },
        file,
        ready: once(child, 'message'),
        ended: once(child, 'exit'),
      };
      child.on('message', (told) => {
        running.told = told as Told;
      });
      this.#running.push(running);
    }
  }

  get told(): Told {
    return this.#running.reduce<Told>(
      (sum, { told }) => ({
        confirmed: sum.confirmed + told.confirmed,
        again: sum.again + told.again,
        behind: Math.max(sum.behind, told.behind),
        done: sum.done && told.done,
      }),
      { confirmed: 0, again: 0, behind: 0, done: true },
    );
  }

  /** Resolves when all are connected and begin. */
  async ready(): Promise<void> {
    const ended = this.#running.map(async ({ ended }, index) => {
      await ended;
      throw new Error(`producer ${index + 1} did not come up`);
    });
    await Promise.race([Promise.all(this.#running.map(({ ready }) => ready)), Promise.all(ended)]);
  }

  /** Resolves when all have had everything confirmed. @throws when one of them failed */
  async finished(): Promise<void> {
    await Promise.all(this.#running.map(({ ended }) => ended));
    for (const [index, { child }] of this.#running.entries()) {
      if (child.exitCode !== 0) throw new Error(`producer ${index + 1} ended with exit code ${child.exitCode}`);
    }
  }

  /** Everything that was confirmed, from the producers' files. */
  async *sent(): AsyncGenerator<Message> {
    for (const { file } of this.#running) {
      for await (const line of createInterface({ input: createReadStream(file) })) yield JSON.parse(line) as Message;
    }
  }

  kill(): void {
    for (const { child } of this.#running) child.kill('SIGKILL');
  }
}
