/** Carries out the plan of the faults. */
import { setTimeout as delay } from 'node:timers/promises';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../src/rabbitmq/names';
import type { Fault, FaultKind, Lane } from './schedule';
import type { Network, Stage } from './stage';
import type { Worker } from './worker';

/** A fault that has happened. Milliseconds since 1970. */
export interface Happened {
  kind: FaultKind;
  what: string;
  from: number;
  until: number;
}

/** A worker that was ended may work again before the next one is: else a slow machine would see nothing but starts. */
const UP_MS = 10_000;

export class Faults {
  readonly happened: Happened[] = [];
  /** What is being done right now. */
  readonly current = new Set<string>();
  /** Goes wrong only when the run itself is defective. */
  readonly problems: string[] = [];

  /** Planned, but there was no time: those before took longer than planned. */
  leftOut = 0;

  constructor(private readonly stage: Stage) {}

  /** Resolves when the last fault of both slots is over. None begins when the load has ended. */
  async carryOut(plan: Record<Lane, Fault[]>, seconds: number, signal: AbortSignal): Promise<void> {
    const begin = performance.now();
    await Promise.all(
      [plan.workers, plan.servers].map(async (faults) => {
        let last = 0;
        for (const [index, fault] of faults.entries()) {
          if (performance.now() - begin > seconds * 1000) {
            this.leftOut += faults.length - index;
            return;
          }
          const gap = index === 0 ? fault.at : fault.at - last;
          last = fault.at + fault.forMs;
          await delay(Math.max(gap, fault.at - (performance.now() - begin)), undefined, { signal });
          await this.#one(fault);
          signal.throwIfAborted();
        }
      }),
    );
  }

  async #one(fault: Fault): Promise<void> {
    const from = Date.now();
    const { what, work } = this.#workOf(fault);
    this.current.add(what);
    try {
      await work();
    } catch (error) {
      this.problems.push(`${what}: ${(error as Error).message}`);
    }
    this.current.delete(what);
    this.happened.push({ kind: fault.kind, what, from, until: Date.now() });
  }

  #workOf(fault: Fault): { what: string; work: () => Promise<void> } {
    const { stage } = this;
    const { kind, forMs, target } = fault;
    const worker = stage.workers[target % stage.workers.length] as Worker;
    const node = target % stage.broker.size;
    const nodeName = stage.broker.size > 1 ? ` (node ${node + 1})` : '';
    switch (kind) {
      case 'worker killed':
      case 'worker stopped':
        return {
          what: `${kind} (${worker.number})`,
          work: async () => {
            await (kind === 'worker killed' ? worker.kill() : worker.stop());
            await delay(forMs);
            worker.again();
            const deadline = performance.now() + UP_MS;
            while (!worker.isUp && performance.now() < deadline) await delay(50);
          },
        };
      case 'worker frozen':
        return {
          what: `${kind} (${worker.number})`,
          work: async () => {
            worker.freeze();
            await delay(forMs);
            worker.thaw();
          },
        };
      case 'broker killed':
      case 'broker stopped':
        return {
          what: `${kind}${nodeName}`,
          work: async () => {
            await stage.broker.down(node, kind === 'broker killed' ? 'killed' : 'stopped');
            await delay(forMs);
            await stage.broker.again(node);
          },
        };
      case 'database killed':
      case 'database stopped':
        return {
          what: kind,
          work: async () => {
            await stage.database.down(kind === 'database killed' ? 'killed' : 'stopped');
            await delay(forMs);
            await stage.database.again();
          },
        };
      case 'connections cut':
      case 'network paused':
      case 'network down':
        return this.#networkFault(fault);
      case "mailer's queue full":
        return { what: kind, work: () => this.#fill(forMs) };
      case "mailer's queue unbound":
        return { what: kind, work: () => this.#unbind(forMs) };
    }
  }

  #networkFault({ kind, forMs, target, side, all }: Fault): { what: string; work: () => Promise<void> } {
    const { networks, outside } = this.stage;
    const one = target % networks.length;
    const hit = all ? networks : [networks[one] as Network];
    const proxies = [
      ...(side === 'database' ? [] : hit.map(({ broker }) => broker)),
      ...(side === 'broker' ? [] : hit.map(({ database }) => database)),
      ...(all && side !== 'database' ? outside : []),
    ];
    const whose = all ? 'all' : `worker ${one + 1}`;
    return {
      what: `${kind} (${whose}, ${side === 'both' ? 'broker and database' : side})`,
      work: async () => {
        for (const proxy of proxies) {
          if (kind === 'connections cut') proxy.cut();
          else if (kind === 'network paused') proxy.hold('all');
          else proxy.down();
        }
        await delay(forMs);
        for (const proxy of proxies) proxy.restore();
      },
    };
  }

  /** The mailer reads nothing: its queue, which has a limit, is soon full, and the broker refuses what comes. */
  async #fill(forMs: number): Promise<void> {
    const { mailer } = this.stage;
    mailer.pause();
    await delay(forMs);
    mailer.resume();
  }

  /** Nobody wants what is published: the broker returns it. */
  async #unbind(forMs: number): Promise<void> {
    await this.#onChannel((channel) => channel.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#'));
    await delay(forMs);
    await this.#onChannel((channel) => channel.bindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#'));
  }

  async #onChannel(
    work: (channel: Awaited<ReturnType<Stage['direct']['broker']['createChannel']>>) => Promise<unknown>,
  ) {
    const channel = await this.stage.direct.broker.createChannel();
    channel.on('error', () => undefined);
    await work(channel);
    await channel.close();
  }
}
