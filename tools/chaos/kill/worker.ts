import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { ServiceProcess } from '../../program/process';
import { Breakpoint, type Point } from '../../proxy/breakpoint';
import { statementSteps } from '../../proxy/statement-steps';
import { TcpProxy } from '../../proxy/tcp-proxy';
import { BrokerSteps } from './broker-steps';

interface Start {
  number: number;
  /** The compiled command line. */
  path: string;
  parts: string;
  folder: string;
  urls: { broker: string; database: string };
}

/**
 * A worker process whose connections pass a breakpoint.
 *
 * States: *held* (it starts, and waits for its servers' first answers) -> *working* -> *ended*.
 */
export class InterceptedWorker {
  ending: { code: number | null; signal: NodeJS.Signals | null } | undefined;

  private constructor(
    private readonly process: ServiceProcess,
    private readonly proxies: readonly TcpProxy[],
    readonly breakpoint: Breakpoint,
    readonly broker: BrokerSteps,
  ) {
    void process.ended.then((ending) => {
      this.ending = ending;
    });
  }

  static async start({ number, path, parts, folder, urls }: Start): Promise<InterceptedWorker> {
    const breakpoint = new Breakpoint();
    const broker = new BrokerSteps(breakpoint);
    const proxies = await Promise.all([
      TcpProxy.to(urls.broker, { reader: (link) => broker.read(link) }),
      TcpProxy.to(urls.database, { reader: (link) => statementSteps(breakpoint, link, { onlyInTransactions: true }) }),
    ]);
    for (const proxy of proxies) proxy.hold('all');
    const env = { AMQP_URL: proxies[0].through(urls.broker), DATABASE_URL: proxies[1].through(urls.database) };
    const started = new ServiceProcess({ path }, { args: ['--only', parts], env });
    const log = createWriteStream(join(folder, `worker-${number}.log`));
    for (const output of [started.child.stdout, started.child.stderr]) output?.on('data', (text) => log.write(text));
    return new InterceptedWorker(started, proxies, breakpoint, broker);
  }

  /** It works from now on. @param together hold back deliveries until this many have arrived, so that they are one batch */
  release(at: Point | null, together: number): void {
    this.breakpoint.arm(at, () => this.process.child.kill('SIGKILL'));
    this.broker.reset(together);
    for (const proxy of this.proxies) proxy.restore();
  }

  /** Resolves when PostgreSQL has rolled back its transactions and RabbitMQ has closed its connections. */
  async disconnected(): Promise<void> {
    for (const proxy of this.proxies) await proxy.abandon();
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  async end(): Promise<void> {
    await this.process.kill();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}
