import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Target } from '../proxy';
import type { Gate } from './gate';

/** The two ends of one connection. */
export interface Link {
  toServer(bytes: Buffer): void;
  toWorker(bytes: Buffer): void;
}

/** Passes on what it gets, and tells the gate what it is. After a kill it passes on nothing. */
export interface Reader {
  asked(bytes: Buffer): void;
  answered(bytes: Buffer): void;
}

export type Protocol = (gate: Gate, link: Link) => Reader;

/** The way of one worker process to one server: a TCP proxy that knows what goes through it. */
export class Wire {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #targets = new Map<Socket, Promise<void>>();
  #port = 0;
  #held: (() => void)[] | undefined;

  private constructor(
    private readonly target: Target,
    private readonly protocol: Protocol,
    private readonly gate: Gate,
  ) {
    this.#server = createServer((client) => this.#accept(client));
  }

  static async to(url: string, protocol: Protocol, gate: Gate): Promise<Wire> {
    const { hostname: host, port } = new URL(url);
    const wire = new Wire({ host, port: Number(port) }, protocol, gate);
    await new Promise<void>((resolve, reject) => {
      wire.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const address = wire.#server.address();
    if (address !== null && typeof address === 'object') wire.#port = address.port;
    return wire;
  }

  /** The same URL, through this. */
  through(url: string): string {
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(this.#port);
    return own.href;
  }

  /** New connections wait: a worker can be started beforehand, and comes as far as its first question. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const waiting = this.#held ?? [];
    this.#held = undefined;
    for (const go of waiting) go();
  }

  /** Resolves when the server has ended all connections that the worker has left. */
  async noticed(): Promise<void> {
    await Promise.all(this.#targets.values());
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    client
      .on('error', () => undefined)
      .on('close', () => this.#clients.delete(client))
      .setNoDelay(true)
      .pause();
    if (this.#held) this.#held.push(() => this.#join(client));
    else this.#join(client);
  }

  #join(client: Socket): void {
    if (client.destroyed) return;
    const target = connect({ ...this.target, noDelay: true });
    target.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => {
      target.on('close', () => {
        this.#targets.delete(target);
        client.destroy();
        resolve();
      });
    });
    this.#targets.set(target, closed);
    const reader = this.protocol(this.gate, {
      toServer: (bytes) => void target.write(bytes),
      toWorker: (bytes) => void client.write(bytes),
    });
    client.on('data', (bytes: Buffer) => reader.asked(bytes)).on('close', () => target.end());
    target.on('data', (bytes: Buffer) => reader.answered(bytes));
    client.resume();
  }
}
