import { TcpProxy } from '../../proxy/tcp-proxy';
import { type Ending, Worker } from '../worker';
import { amqp } from './amqp';
import { Gate, type Point } from './gate';
import { postgres } from './postgres';

interface Start {
  number: number;
  program: string;
  parts: string;
  folder: string;
  urls: { broker: string; database: string };
}

/**
 * The one life of a worker process, with a gate in its connections.
 *
 * States: *held* (it starts, and waits for its servers' first answers) -> *working* -> *ended*.
 */
export class Life {
  private constructor(
    private readonly worker: Worker,
    private readonly proxies: readonly TcpProxy[],
    readonly gate: Gate,
  ) {}

  static async begin({ number, program, parts, folder, urls }: Start): Promise<Life> {
    const gate = new Gate();
    const proxies = await Promise.all([
      TcpProxy.to(urls.broker, { reader: (link) => amqp(gate, link) }),
      TcpProxy.to(urls.database, { reader: (link) => postgres(gate, link) }),
    ]);
    for (const proxy of proxies) proxy.hold('all');
    const settings = { AMQP_URL: proxies[0].through(urls.broker), DATABASE_URL: proxies[1].through(urls.database) };
    const worker = new Worker({ number, program, parts, settings, folder });
    worker.start();
    worker.quit(); // it is not started again
    return new Life(worker, proxies, gate);
  }

  /** It works from now on. @param together so many deliveries reach it at once */
  release(at: Point | null, together: number): void {
    this.gate.arm(at, () => void this.worker.kill(), together);
    for (const proxy of this.proxies) proxy.restore();
  }

  get ending(): Ending | undefined {
    return this.worker.endings[0];
  }

  /** Resolves when PostgreSQL has rolled back what was open, and RabbitMQ has closed the connections. */
  async noticed(): Promise<void> {
    for (const proxy of this.proxies) await proxy.abandon();
  }

  /** SIGTERM. Resolves when it has ended. */
  async stop(): Promise<void> {
    await this.worker.stop();
  }

  /** However far it is. */
  async end(): Promise<void> {
    await this.worker.kill();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}
