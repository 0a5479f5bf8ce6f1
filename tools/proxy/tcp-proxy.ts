import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Target {
  host: string;
  port: number;
}

/** The two ends of one connection. */
export interface Link {
  toTarget(bytes: Buffer): void;
  toClient(bytes: Buffer): void;
}

/** Receives the bytes of one connection and may pass them on. */
export interface Reader {
  asked(bytes: Buffer): void;
  answered(bytes: Buffer): void;
}

export interface ProxyOptions {
  /** Default: any free port. */
  port?: number;
  /** Makes the reader of each connection. Default: passes everything on. */
  reader?: (link: Link) => Reader;
}

interface Connection {
  readonly client: Socket;
  /** Undefined until it is connected. */
  target: Socket | undefined;
}

/**
 * A TCP proxy between a process and a real server that can reset connections, hold bytes back, or be down.
 *
 * With several targets it acts like a load balancer before a cluster: a new connection goes to the first that accepts it.
 */
export class TcpProxy {
  readonly #connections = new Set<Connection>();
  readonly #server: Server;
  #down = false;
  #held: 'nothing' | 'answers' | 'all' = 'nothing';
  #waiting: Connection[] = [];
  port = 0;
  /** Connections accepted so far. */
  accepted = 0;

  private constructor(
    private targets: readonly Target[],
    private readonly reader: (link: Link) => Reader,
  ) {
    this.#server = createServer((client) => this.#accept(client));
  }

  static async to(
    targets: string | readonly Target[],
    { port = 0, reader = passOn }: ProxyOptions = {},
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetsOf(targets), reader);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    const address = proxy.#server.address();
    if (address !== null && typeof address === 'object') proxy.port = address.port;
    return proxy;
  }

  /** The URL with the proxy's host and port. */
  through(url: string): string {
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(this.port);
    return own.href;
  }

  /** Sends new connections to other targets, as a changed DNS entry does; {@link cut} ends the open ones. */
  lead(targets: string | readonly Target[]): void {
    this.targets = targetsOf(targets);
  }

  /** Resets all connections; new ones are accepted. */
  cut(): void {
    for (const { client, target } of this.#connections) {
      client.resetAndDestroy();
      target?.resetAndDestroy();
    }
  }

  /** Resets all connections, and every new one until {@link restore}. */
  down(): void {
    this.#down = true;
    this.cut();
  }

  /**
   * Like {@link down}, but the target sees orderly ends, as if the clients had died. Resolves when it has closed these
   * connections: their transactions and locks are gone.
   */
  async abandon(): Promise<void> {
    this.#down = true;
    await Promise.all(
      [...this.#connections].map(async ({ client, target }) => {
        client.resetAndDestroy();
        if (!target || target.closed) return;
        await new Promise<void>((resolve) => {
          target.once('close', () => resolve());
          target.resume().end();
        });
      }),
    );
  }

  /** Holds back the target's bytes, or all bytes and new connections, until {@link restore}. Nothing is reset. */
  hold(what: 'answers' | 'all'): void {
    this.#held = what;
    for (const connection of this.#connections) this.#apply(connection);
  }

  /** Ends {@link down}, {@link abandon} and {@link hold}; bytes held back are passed on. */
  restore(): void {
    this.#down = false;
    this.#held = 'nothing';
    for (const connection of this.#connections) this.#apply(connection);
    for (const connection of this.#waiting.splice(0)) this.#connect(connection);
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
    if (this.#down) return void client.resetAndDestroy();
    client.setNoDelay(true).pause();
    const connection: Connection = { client, target: undefined };
    this.#connections.add(connection);
    client.on('close', () => {
      if (connection.target) connection.target.end();
      else this.#connections.delete(connection);
    });
    if (this.#held === 'all') this.#waiting.push(connection);
    else this.#connect(connection);
  }

  #connect(connection: Connection, [next, ...others]: readonly Target[] = this.targets): void {
    const { client } = connection;
    if (client.destroyed) return;
    if (next === undefined) return void client.destroy();
    const target = connect({ ...next, noDelay: true });
    const onRefused = (): void => this.#connect(connection, others);
    target.once('error', onRefused);
    target.once('connect', () => {
      target.off('error', onRefused).on('error', () => undefined);
      if (client.destroyed) return void target.destroy();
      connection.target = target;
      const reader = this.reader({
        toTarget: (bytes) => void target.write(bytes),
        toClient: (bytes) => void client.write(bytes),
      });
      client.on('data', (bytes: Buffer) => reader.asked(bytes));
      target.on('data', (bytes: Buffer) => reader.answered(bytes));
      target.on('close', () => {
        this.#connections.delete(connection);
        client.destroy();
      });
      this.#apply(connection);
    });
  }

  #apply({ client, target }: Connection): void {
    if (!target) return; // applied on connection
    if (this.#held === 'all') client.pause();
    else client.resume();
    if (this.#held === 'nothing') target.resume();
    else target.pause();
  }
}

const passOn = ({ toTarget, toClient }: Link): Reader => ({ asked: toTarget, answered: toClient });

const targetsOf = (targets: string | readonly Target[]): readonly Target[] =>
  typeof targets === 'string' ? [targetOf(targets)] : targets;

function targetOf(url: string): Target {
  const { hostname: host, port, protocol } = new URL(url);
  return { host, port: Number(port) || (protocol.startsWith('amqp') ? 5672 : 5432) };
}
