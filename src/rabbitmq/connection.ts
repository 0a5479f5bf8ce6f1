import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type RecoveringChannelModel,
  type ServerProperties,
} from 'amqplib';
import type { Logger } from 'pino';
import { pause } from '../foundation/retry';
import { type BrokerRefusal, describe, refusalOf } from './errors';
import { parseAmqpUrl } from './url';

export interface ConnectionOptions {
  readonly url: string;
  /** Shown by RabbitMQ in its list of connections. */
  readonly name: string;
  readonly log: Logger;
  /** Called for every failed attempt, before and after the first connection. Must not throw. */
  readonly onConnectFailed?: (error: Error) => void;
  /** The longest pause between two attempts. */
  readonly maxDelayMs?: number;
}

interface ConnectionEvents {
  /** Connected, for the first time or again. */
  up: [];
  /** The connection is lost; attempts to get it back have begun. */
  down: [Error];
  /** Final: closed by us, or refused for good before it was ever up. */
  closed: [];
}

/** A handshake that hangs (a broker that is paused, a proxy without a broker behind it) counts as failed after this. */
const HANDSHAKE_MS = 10_000;
/** So often in a row must the broker refuse before we believe that it always will: it may be starting itself. */
const REFUSALS = 3;
/** A broker that does not answer a close within this is left without its answer. */
const CLOSE_MS = 3_000;

/**
 * One connection to the broker that comes back by itself.
 *
 * States: *connecting* -> *up* <-> *down*, and from each of them -> *closed*, which is final.
 *
 * - connecting: no connection yet. Attempts go on with growing, jittered pauses for as long as it takes, unless the
 *   broker refuses for a reason that waiting does not cure: then it is closed, and {@link ready} rejects.
 * - up: channels can be opened.
 * - down: it was up before; attempts go on without end, whatever the reason (a password may be being rotated).
 * - closed: nothing is tried any more, and opening a channel rejects.
 *
 * Channels do not survive a loss: whoever opened one opens another (see consumer and publisher).
 */
export class BrokerConnection extends EventEmitter<ConnectionEvents> {
  readonly #model: RecoveringChannelModel;
  readonly #log: Logger;
  readonly #ready: Promise<void>;
  #server: ServerProperties | undefined;
  #connected = false;
  #blocked: string | undefined;
  #closing: Promise<void> | undefined;
  #refusal: BrokerRefusal | undefined;
  #refusals = 0;
  #socket: Socket | undefined;

  /** Use {@link openConnection}. */
  constructor(model: RecoveringChannelModel, options: ConnectionOptions) {
    super();
    this.setMaxListeners(0);
    this.#model = model;
    this.#log = options.log.child({ connection: options.name });
    this.#ready = this.#watch(options);
    this.#ready.catch(() => undefined); // nobody has to wait for it
  }

  get connected(): boolean {
    return this.#connected;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Why the broker takes no publishes from this connection at present (an alarm on its memory or disk), if so. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  /** What the broker says about itself; of the last connection while down. */
  get serverProperties(): ServerProperties | undefined {
    return this.#server;
  }

  /** Resolves when it is up for the first time. Rejects when it is closed before, or with a {@link BrokerRefusal}. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Waits while disconnected. Rejects when the connection is lost while opening, or is closed. */
  createChannel(): Promise<Channel> {
    return this.#model.createChannel();
  }

  /** The same with publisher confirms. */
  createConfirmChannel(): Promise<ConfirmChannel> {
    return this.#model.createConfirmChannel();
  }

  /**
   * Final, and never rejects: no attempt follows, all channels are closed, also when the broker does not answer. An
   * attempt that is under way at this moment comes to nothing, but may take its 10 s to notification.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const answered = this.#model.close().catch(() => undefined);
    const limit = new AbortController();
    const gone = this.#socket === undefined ? answered : once(this.#socket, 'close').catch(() => undefined);
    await Promise.race([answered, gone, pause(CLOSE_MS, limit.signal)]);
    limit.abort();
    // For a peer that did not answer. amqplib then also ends its heartbeat timers and closes the channels.
    this.#socket?.destroy(new Error('the broker did not answer the close'));
    this.#connected = false;
    this.emit('closed');
  }

  #watch(options: ConnectionOptions): Promise<void> {
    const model = this.#model;
    model.on('error', () => undefined); // 'disconnect' follows and says the same; without a listener it would throw
    model.on('handler-error', (error: Error) => this.#log.error(describe(error), 'a broker listener threw'));
    model.on('blocked', (reason: string) => {
      this.#blocked = reason;
      this.#log.warn({ reason }, 'broker blocks publishing');
    });
    model.on('unblocked', () => {
      this.#blocked = undefined;
      this.#log.info('broker unblocks publishing');
    });
    model.on('connect', (established: ChannelModel) => {
      this.#server = established.connection.serverProperties;
      this.#socket = socketOf(established);
      this.#connected = true;
      this.#blocked = undefined;
      this.#log.info({ version: this.#server.version }, 'broker connected');
      this.#tell('up');
      // Closed right behind the handshake: amqplib listens for that too late, and would keep a dead connection for good.
      if (this.#socket?.writable === false) established.emit('close', new Error('closed while connecting'));
    });
    model.on('disconnect', (error: Error) => {
      this.#connected = false;
      this.#log.warn(describe(error), 'broker connection lost');
      this.#tell('down', error);
    });
    model.on('connect-failed', (error: Error) => {
      if (this.closed) return;
      this.#log.warn(describe(error), 'broker not reachable, trying again');
      options.onConnectFailed?.(error);
      if (this.#server !== undefined) return;
      const refusal = refusalOf(error);
      this.#refusals = refusal === undefined ? 0 : this.#refusals + 1;
      if (this.#refusals < REFUSALS) return;
      this.#refusal = refusal;
      void this.close();
    });
    return model.waitForConnect().then(
      () => undefined,
      (error: unknown) => {
        throw this.#refusal ?? error;
      },
    );
  }

  /** A listener that throws must not get into amqplib, which would take it for a failed connection. */
  #tell(event: 'up'): void;
  #tell(event: 'down', error: Error): void;
  #tell(event: 'up' | 'down', error?: Error): void {
    try {
      if (event === 'up') this.emit('up');
      else if (error !== undefined) this.emit('down', error);
    } catch (thrown) {
      this.#log.error(describe(thrown), 'a listener of the broker connection threw');
    }
  }
}

/**
 * Begins to connect and returns at once: the service starts also when the broker is not up yet. Wait for `ready()`
 * where a broker is needed. Throws a {@link BrokerRefusal} for a URL that is none.
 */
export async function openConnection(options: ConnectionOptions): Promise<BrokerConnection> {
  const model = await connect(parseAmqpUrl(options.url), {
    noDelay: true,
    keepAlive: true,
    timeout: HANDSHAKE_MS,
    clientProperties: { connection_name: options.name },
    recovery: {
      initialDelay: 200,
      maxDelay: options.maxDelayMs ?? 15_000,
      jitter: 0.5,
      waitForConnect: false, // listeners first; and no `setup` callback: a loss inside it is never recovered from
    },
  });
  return new BrokerConnection(model, options);
}

/** amqplib has no way to end a connection whose peer is silent: its `close()` waits for an answer for good. */
function socketOf(model: ChannelModel): Socket | undefined {
  return (model.connection as { stream?: Socket }).stream;
}

/**
 * Closes a channel and waits until it is closed. Never rejects and never hangs on a lost connection, as amqplib's own
 * `close()` does: that one waits for an answer only.
 */
export async function closeChannel(channel: Channel, limitMs = CLOSE_MS): Promise<void> {
  const limit = new AbortController();
  const closed = once(channel, 'close', { signal: limit.signal }).catch(() => undefined);
  channel.close().catch(() => limit.abort()); // was closed already
  await Promise.race([closed, pause(limitMs, limit.signal)]);
  limit.abort();
}
