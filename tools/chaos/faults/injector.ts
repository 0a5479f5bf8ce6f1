import { setTimeout as delay } from 'node:timers/promises';
import { CONTACT_EVENTS, MAILER_QUEUE } from '../../../src/rabbitmq/names';
import type { TcpProxy } from '../../proxy/tcp-proxy';
import type { Participants } from '../participants';
import type { Worker } from '../servers/worker';
import { memoryAlarm, onChannel, poolerRestarted, standbyPromoted, topologyDeleted } from './infrastructure';
import type { Outage, Witness } from './outage';
import type { Fault, FaultKind, Schedule } from './schedule';

/** A fault that has occurred. Milliseconds since 1970. */
export interface PastFault {
  kind: FaultKind;
  what: string;
  from: number;
  until: number;
}

/** A restarted worker gets this long to come up before its next fault: a slow machine would see only starts otherwise. */
const UP_MS = 10_000;

const NETWORK_FAULTS = {
  'connections cut': (proxy: TcpProxy) => proxy.cut(),
  'network paused': (proxy: TcpProxy) => proxy.hold('all'),
  'network down': (proxy: TcpProxy) => proxy.down(),
};

/** Injects the scheduled faults. */
export class FaultInjector {
  readonly past: PastFault[] = [];
  readonly current = new Set<string>();
  /** Faults that could not be injected: the run itself is defective. */
  readonly problems: string[] = [];
  /** Faults skipped because earlier ones took longer than planned. */
  leftOut = 0;

  constructor(
    private readonly participants: Participants,
    private readonly witness: Witness,
  ) {}

  /** Resolves after the last fault. None starts after `seconds`. */
  async run(plan: Schedule, seconds: number, signal: AbortSignal): Promise<void> {
    const begin = performance.now();
    await Promise.all(
      [plan.workers, plan.servers].map(async (faults) => {
        let plannedEnd = 0;
        for (const [index, fault] of faults.entries()) {
          if (performance.now() - begin > seconds * 1000) {
            this.leftOut += faults.length - index;
            return;
          }
          const gap = fault.at - plannedEnd;
          plannedEnd = fault.at + fault.durationMs;
          await delay(Math.max(gap, fault.at - (performance.now() - begin)), undefined, { signal });
          await this.#inject(fault, signal);
          signal.throwIfAborted();
        }
      }),
    );
  }

  async #inject(fault: Fault, signal: AbortSignal): Promise<void> {
    const outage = this.#outageOf(fault);
    const { what } = outage;
    const isOfWorker = fault.kind.startsWith('worker');
    let from = Date.now();
    this.current.add(what);
    try {
      await outage.prepare?.();
      from = Date.now();
      await outage.begin();
      const ended = new AbortController();
      const red = this.witness.red(outage, ended.signal);
      await delay(fault.durationMs);
      await outage.end();
      ended.abort();
      await Promise.all([red, this.witness.declared(outage, signal)]);
    } catch (error) {
      this.problems.push(`${what}: ${(error as Error).message}`);
    }
    this.past.push({ kind: fault.kind, what, from, until: Date.now() });
    this.current.delete(what);
    if (!isOfWorker) await this.witness.handled(outage, signal);
  }

  #outageOf(fault: Fault): Outage {
    const { workers, broker, database, mailer } = this.participants;
    const { kind, target } = fault;
    const worker = workers[target % workers.length] as Worker;
    const node = target % broker.size;
    const how = kind.endsWith('killed') ? 'killed' : 'stopped';
    switch (kind) {
      case 'worker killed':
      case 'worker stopped':
        return {
          what: `${kind} (${worker.number})`,
          begin: () => (how === 'killed' ? worker.kill() : worker.stop()),
          end: async () => {
            worker.start();
            const deadline = performance.now() + UP_MS;
            while (!worker.isUp && performance.now() < deadline) await delay(50);
          },
        };
      case 'worker frozen':
        return { what: `${kind} (${worker.number})`, begin: () => worker.freeze(), end: () => worker.thaw() };
      case 'broker killed':
      case 'broker stopped':
        return {
          what: `${kind}${broker.size > 1 ? ` (node ${node + 1})` : ''}`,
          begin: () => broker.down(node, how),
          end: () => broker.restart(node),
          ...(broker.size === 1 && { red: { workers } }),
        };
      case 'database killed':
      case 'database stopped':
        return { what: kind, begin: () => database.down(how), end: () => database.restart(), red: { workers } };
      case 'standby promoted':
        return standbyPromoted(this.participants);
      case 'pooler killed':
      case 'pooler stopped':
        return poolerRestarted(this.participants, how);
      case 'memory alarm':
        return memoryAlarm(this.participants);
      case 'topology deleted':
        return topologyDeleted(this.participants, target);
      case 'connections cut':
      case 'network paused':
      case 'network down':
        return this.#networkOutage(fault, NETWORK_FAULTS[kind]);
      case "mailer's queue full":
        return { what: kind, begin: () => mailer.pause(), end: () => mailer.resume() };
      case "mailer's queue unbound":
        return {
          what: kind,
          begin: () => onChannel(this.participants, (it) => it.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#')),
          end: () => onChannel(this.participants, (it) => it.bindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#')),
        };
    }
  }

  #networkOutage({ kind, target, connections, all }: Fault, disturb: (proxy: TcpProxy) => void): Outage {
    const { networks, outside } = this.participants;
    const one = target % networks.length;
    const affected = all ? networks : networks.slice(one, one + 1);
    const proxies = [
      ...(connections === 'database' ? [] : affected.map(({ broker }) => broker)),
      ...(connections === 'broker' ? [] : affected.map(({ database }) => database)),
      ...(all && connections !== 'database' ? outside : []),
    ];
    const whose = all ? 'all' : `worker ${one + 1}`;
    return {
      what: `${kind} (${whose}, ${connections === 'both' ? 'broker and database' : connections})`,
      begin: () => proxies.forEach(disturb),
      end: () => {
        for (const proxy of proxies) proxy.restore();
      },
    };
  }
}
