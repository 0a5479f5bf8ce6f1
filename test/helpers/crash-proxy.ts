import { connect, createServer, type Server, type Socket } from 'node:net';
import { BEGINS, ENDS, Frames, READY, textOf } from './postgres-wire';

/** A statement, counted from 1, and the side of it on which everything breaks. */
export interface CrashPoint {
  statement: number;
  /** `before`: the database never gets it. `after`: it has done it, but nobody gets its answer. */
  side: 'before' | 'after';
}

interface Pair {
  client: Socket;
  target: Socket;
}

/**
 * A proxy that reads PostgreSQL's protocol on its way, counts statements, and breaks all connections at the one it was
 * told. To the database this is the death of its client, and to the client the loss of the database: both are real.
 */
export class CrashProxy {
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Map<Pair, Promise<void>>();
  #at: CrashPoint | null = null;
  #back = false;
  #down = false;
  #lost: Promise<unknown> = Promise.resolve();
  /** Whether it has come to what it was armed for. */
  crashed = false;
  /** The statements since it was armed. */
  statements: string[] = [];

  private constructor(url: URL) {
    this.#target = { host: url.hostname, port: Number(url.port) || 5432 };
    this.#server = createServer((client) => this.#accept(client));
  }

  static async to(url: string): Promise<CrashProxy> {
    const proxy = new CrashProxy(new URL(url));
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** The same URL, through the proxy. */
  through(url: string): string {
    const address = this.#server.address();
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(typeof address === 'object' && address?.port);
    return own.href;
  }

  /**
   * Counts from 1 again.
   *
   * @param back whether new connections are let through after the crash, as for a client that lives on. Else there are
   *   none until it is armed anew, as for a process that died.
   */
  arm(at: CrashPoint | null, { back = false } = {}): void {
    this.#at = at;
    this.#back = back;
    this.#down = false;
    this.crashed = false;
    this.statements = [];
  }

  /** Resolves when the database has ended the sessions that were lost: then their transactions and locks are gone. */
  async noticed(): Promise<void> {
    await this.#lost;
  }

  async close(): Promise<void> {
    this.#crash();
    await this.#lost;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #crash(): void {
    this.#at = null;
    this.crashed = true;
    this.#down = !this.#back;
    this.#lost = Promise.all(this.#pairs.values());
    for (const { client, target } of this.#pairs.keys()) {
      client.resetAndDestroy();
      target.end(); // the socket closes when the session has ended, and not before
    }
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#down) {
      client.resetAndDestroy();
      return;
    }
    const target = connect({ ...this.#target, noDelay: true });
    client.setNoDelay(true);
    target.on('error', () => undefined);
    const pair = { client, target };
    const closed = new Promise<void>((resolve) => {
      target.on('close', () => {
        this.#pairs.delete(pair);
        client.destroy();
        resolve();
      });
    });
    this.#pairs.set(pair, closed);
    client.on('close', () => target.end());

    const [asked, answered] = [new Frames(true), new Frames(false)];
    /** The number of the statement that is being sent; 0 between statements. */
    let current = 0;
    let last = false;
    client.on('data', (bytes) => {
      for (const frame of asked.of(bytes)) {
        if (current === 0 && BEGINS.has(frame.type)) {
          current = this.statements.push(textOf(frame));
          if (this.#isAt(current, 'before')) return this.#crash();
        }
        target.write(frame.bytes);
        if (!ENDS.has(frame.type)) continue;
        last = this.#isAt(current, 'after');
        current = 0;
      }
    });
    target.on('data', (bytes) => {
      for (const frame of answered.of(bytes)) {
        if (client.destroyed) return;
        if (!last) client.write(frame.bytes);
        else if (frame.type === READY) return this.#crash();
      }
    });
  }

  #isAt(statement: number, side: CrashPoint['side']): boolean {
    return this.#at?.statement === statement && this.#at.side === side;
  }
}
