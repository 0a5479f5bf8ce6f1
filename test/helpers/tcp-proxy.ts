import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy between the code under test and a real broker (or database), to lose connections on purpose. What goes
 * through it is what really goes over the wire; nothing is imitated.
 */
export class TcpProxy {
  readonly #pairs = new Set<{ client: Socket; target: Socket }>();
  readonly #server: Server;
  #refusing = false;
  #held: 'nothing' | 'answers' | 'all' = 'nothing';
  port = 0;
  /** Connections accepted so far. */
  accepted = 0;

  private constructor(private readonly target: { host: string; port: number }) {
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Listens on a free port, or on a fixed one. */
  static async to(url: string, port = 0): Promise<TcpProxy> {
    const { hostname, port: targetPort } = new URL(url);
    const proxy = new TcpProxy({ host: hostname, port: Number(targetPort) || 5672 });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    const address = proxy.#server.address();
    if (address !== null && typeof address === 'object') proxy.port = address.port;
    return proxy;
  }

  /** The same URL, through the proxy. */
  through(url: string): string {
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(this.port);
    return own.href;
  }

  /** Breaks all connections at once; new ones are accepted. */
  cut(): void {
    for (const { client, target } of this.#pairs) {
      client.resetAndDestroy();
      target.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Breaks all connections, and all new ones until {@link restore}. */
  down(): void {
    this.#refusing = true;
    this.cut();
  }

  restore(): void {
    this.#refusing = false;
  }

  /** Holds the bytes back without breaking anything: all of them, or only what the target answers. */
  hold(what: 'answers' | 'all'): void {
    this.#held = what;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Lets everything through, also what was held back. */
  letGo(): void {
    this.#held = 'nothing';
    for (const pair of this.#pairs) this.#apply(pair);
  }

  async close(): Promise<void> {
    this.down();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    client.on('error', () => undefined);
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const target = connect({ ...this.target, noDelay: true });
    client.setNoDelay(true);
    const pair = { client, target };
    this.#pairs.add(pair);
    target.on('error', () => undefined);
    client.on('data', (bytes) => target.write(bytes)).on('close', () => this.#end(pair));
    target.on('data', (bytes) => client.write(bytes)).on('close', () => this.#end(pair));
    this.#apply(pair);
  }

  #apply({ client, target }: { client: Socket; target: Socket }): void {
    if (this.#held === 'all') client.pause();
    else client.resume();
    if (this.#held === 'nothing') target.resume();
    else target.pause();
  }

  #end(pair: { client: Socket; target: Socket }): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.target.destroy();
  }
}
