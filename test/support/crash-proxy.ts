import { BEGINS, ENDS, Frames, READY, textOf } from '../../tools/proxy/postgres-wire';
import { type Link, type Reader, TcpProxy } from '../../tools/proxy/tcp-proxy';

/** A statement, counted from 1, and the side of it on which everything breaks. */
export interface CrashPoint {
  statement: number;
  /** `before`: the database never gets it. `after`: it has done it, but nobody gets its answer. */
  side: 'before' | 'after';
}

/**
 * A proxy that reads PostgreSQL's protocol on its way, counts statements, and breaks all connections at the one it was
 * told. To the database this is the death of its client, and to the client the loss of the database: both are real.
 */
export class CrashProxy {
  #proxy!: TcpProxy;
  #at: CrashPoint | null = null;
  #back = false;
  #lost: Promise<unknown> = Promise.resolve();
  /** Whether it has come to what it was armed for. */
  crashed = false;
  /** The statements since it was armed. */
  statements: string[] = [];

  static async to(url: string): Promise<CrashProxy> {
    const crashes = new CrashProxy();
    crashes.#proxy = await TcpProxy.to(url, { reader: (link) => crashes.#read(link) });
    return crashes;
  }

  /** The same URL, through the proxy. */
  through(url: string): string {
    return this.#proxy.through(url);
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
    this.#proxy.restore();
    this.crashed = false;
    this.statements = [];
  }

  /** Resolves when the database has ended the sessions that were lost: then their transactions and locks are gone. */
  async noticed(): Promise<void> {
    await this.#lost;
  }

  async close(): Promise<void> {
    await this.#proxy.abandon();
    await this.#proxy.close();
  }

  #crash(): void {
    this.#at = null;
    this.crashed = true;
    this.#lost = this.#proxy.abandon();
    if (this.#back) this.#proxy.restore();
  }

  #read({ toTarget, toClient }: Link): Reader {
    const [asked, answered] = [new Frames(true), new Frames(false)];
    /** The number of the statement that is being sent; 0 between statements. */
    let current = 0;
    let last = false;
    return {
      asked: (bytes) => {
        for (const frame of asked.of(bytes)) {
          if (current === 0 && BEGINS.has(frame.type)) {
            current = this.statements.push(textOf(frame));
            if (this.#isAt(current, 'before')) return this.#crash();
          }
          toTarget(frame.bytes);
          if (!ENDS.has(frame.type)) continue;
          last = this.#isAt(current, 'after');
          current = 0;
        }
      },
      answered: (bytes) => {
        for (const frame of answered.of(bytes)) {
          if (!last) toClient(frame.bytes);
          else if (frame.type === READY && this.#at) return this.#crash();
        }
      },
    };
  }

  #isAt(statement: number, side: CrashPoint['side']): boolean {
    return this.#at?.statement === statement && this.#at.side === side;
  }
}
