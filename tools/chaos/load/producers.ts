import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Load } from './load';
import type { Message } from './message';
import type { Assignment, Progress } from './producer';

const CHECKOUT = resolve(__dirname, '../../..');

interface Running {
  child: ChildProcess;
  progress: Progress;
  file: string;
  ready: Promise<unknown>;
  ended: Promise<unknown>;
}

/** The producer processes. */
export class Producers {
  readonly #running: Running[];

  constructor(load: Load, amqpUrls: readonly string[], folder: string) {
    this.#running = amqpUrls.map((amqpUrl, number) => {
      const file = join(folder, `sent-${number + 1}.ndjson`);
      const assignment: Assignment = { number, load, amqpUrl, file };
      const child = fork('tools/run.mjs', ['script', join(__dirname, 'producer.ts')], {
        cwd: CHECKOUT,
        env: { ...process.env, CHAOS_PRODUCER: JSON.stringify(assignment) },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const progress = { confirmed: 0, again: 0, behind: 0 };
      const running: Running = { child, progress, file, ready: once(child, 'message'), ended: once(child, 'exit') };
      child.on('message', (latest) => {
        running.progress = latest as Progress;
      });
      return running;
    });
  }

  get progress(): Progress {
    const all = this.#running.map(({ progress }) => progress);
    return {
      confirmed: all.reduce((sum, { confirmed }) => sum + confirmed, 0),
      again: all.reduce((sum, { again }) => sum + again, 0),
      behind: Math.max(0, ...all.map(({ behind }) => behind)),
    };
  }

  /** Resolves when all are connected and start sending. */
  async ready(): Promise<void> {
    const ended = this.#running.map(async ({ ended }, index) => {
      await ended;
      throw new Error(`producer ${index + 1} did not come up`);
    });
    await Promise.race([Promise.all(this.#running.map(({ ready }) => ready)), Promise.all(ended)]);
  }

  /** Resolves when every message is confirmed. @throws Error if a producer failed */
  async finished(): Promise<void> {
    await Promise.all(this.#running.map(({ ended }) => ended));
    for (const [index, { child }] of this.#running.entries()) {
      if (child.exitCode !== 0) throw new Error(`producer ${index + 1} ended with exit code ${child.exitCode}`);
    }
  }

  /** All confirmed messages, read from the producers' files. */
  async *sent(): AsyncGenerator<Message> {
    for (const { file } of this.#running) {
      for await (const line of createInterface({ input: createReadStream(file) })) yield JSON.parse(line) as Message;
    }
  }

  kill(): void {
    for (const { child } of this.#running) child.kill('SIGKILL');
  }
}
