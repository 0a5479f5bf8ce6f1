import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Target {
  host: string;
  port: number;
}

interface Pair {
  client: Socket;
  target: Socket | undefined;
}

/**
 * The network between a process and its server: a TCP proxy that can lose connections, hold bytes back, or be down.
 *
 * With several targets it is also what stands before a cluster in production, a load balancer: a new connection goes to
 * the first that accepts it, each proxy beginning at another one.
 */
export class FaultProxy {
  readonly #pairs = new Set<Pair>();
  readonly #server: Server;
  #down = false;
  #paused = false;
  #port = 0;

  private constructor(private readonly targets: readonly Target[]) {
    this.#server = createServer((client) => this.#accept(client));
  }

  static async to(targets: readonly Target[]): Promise<FaultProxy> {
    const proxy = new FaultProxy(targets);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const address = proxy.#server.address();
    if (address !== null && typeof address === 'object') proxy.#port = address.port;
    return proxy;
  }

  /** The same URL, through the proxy. */
  through(url: string): string {
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(this.#port);
    return own.href;
  }

  /** Breaks all connections at once; new ones are accepted. */
  cut(): void {
    for (const { client, target } of this.#pairs) {
      client.resetAndDestroy();
      target?.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Breaks all connections, and every new one until {@link restore}. */
  down(): void {
    this.#down = true;
    this.cut();
  }

  /** Holds all bytes back, in both directions, without breaking anything, until {@link restore}. */
  pause(): void {
    this.#paused = true;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  restore(): void {
    this.#down = false;
    this.#paused = false;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  async close(): Promise<void> {
    this.down();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#down) return void client.resetAndDestroy();
    client.setNoDelay(true).pause();
    const pair: Pair = { client, target: undefined };
    this.#pairs.add(pair);
    client.on('close', () => this.#end(pair));
    this.#connect(pair, [...this.targets]);
  }

  #connect(pair: Pair, targets: Target[]): void {
    const next = targets.shift();
    if (next === undefined || !this.#pairs.has(pair)) {
      this.#end(pair);
      return;
    }
    const target = connect({ ...next, noDelay: true });
    const onRefused = (): void => this.#connect(pair, targets);
    target.once('error', onRefused);
    target.once('connect', () => {
      target.off('error', onRefused).on('error', () => undefined);
      if (!this.#pairs.has(pair)) return void target.destroy();
      pair.target = target;
      pair.client.on('data', (bytes) => target.write(bytes));
      target.on('data', (bytes) => pair.client.write(bytes)).on('close', () => this.#end(pair));
      this.#apply(pair);
    });
  }

  #apply({ client, target }: Pair): void {
    if (target === undefined) return; // it is when it is connected
    for (const socket of [client, target]) {
      if (this.#paused) socket.pause();
      else socket.resume();
    }
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.target?.destroy();
  }
}
