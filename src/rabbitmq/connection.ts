import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import type { Channel, ChannelModel, ConfirmChannel, RecoveringChannelModel, ServerProperties } from 'amqplib';
import type { Logger } from 'pino';
import { Secret } from '../foundation/secret';
import { within } from '../foundation/timeout';
import { connect } from './amqplib';
import { type BrokerRefusal, describe, refusalOf, whyUnreachable } from './errors';
import { ReadLimit } from './read-limit';
import { Hosts, parseAmqpUrls } from './url';

export interface ConnectionOptions {
  /**
   * One URL, or several separated by commas, tried in turn. The file of a secret is read again when the broker refuses
   * it.
   */
  readonly url: string | Secret;
  /** Shown by RabbitMQ in its list of connections. */
  readonly name: string;
  readonly log: Logger;
  /** Called for every failed attempt, before and after the first connection. Must not throw. */
  readonly onConnectFailed?: (error: Error) => void;
  /** The longest pause between two attempts. */
  readonly maxDelayMs?: number;
  /** Restores what its consumers and publishers find missing on the broker. */
  readonly topology?: { check(): Promise<boolean> };
}

interface ConnectionEvents {
  /** Connected, for the first time or again. */
  up: [];
  /** The connection is lost; attempts to reconnect have begun. */
  down: [Error];
  /** The broker blocks publishing on this connection (an alarm on its memory or disk). */
  blocked: [];
  /** The broker accepts publishing again, or the connection has ended. */
  unblocked: [];
  /** Final: closed by us, or refused for good before it was ever up. */
  closed: [];
}

/** A handshake that hangs (a paused broker, a proxy without a broker behind it) counts as failed after this. */
const HANDSHAKE_MS = 10_000;
/** How often in a row each host must refuse before the refusal counts: the broker may still be starting. */
const REFUSALS = 3;
/** How long a close waits for the broker's answer. */
const CLOSE_MS = 3_000;

/**
 * One connection to the broker that reconnects by itself.
 *
 * States: *connecting* -> *up* <-> *down*, and from each of them -> *closed*, which is final.
 *
 * - connecting: no connection yet. Attempts go on with growing, jittered pauses for as long as it takes, unless the
 *   broker refuses for a reason that waiting does not resolve: then the connection is closed, and {@link ready} rejects.
 * - up: channels can be opened.
 * - down: it was up before. Attempts go on without end, whatever the reason (the password may just have been rotated).
 * - closed: no further attempts; opening a channel rejects.
 *
 * Channels do not survive a loss: their owners (consumer and publisher) open new ones.
 */
export class BrokerConnection extends EventEmitter<ConnectionEvents> {
  /** The limit on unacknowledged deliveries, which the consumers of this connection report. */
  readonly readLimit = new ReadLimit();
  readonly #model: RecoveringChannelModel;
  readonly #log: Logger;
  readonly #ready: Promise<void>;
  #server: ServerProperties | undefined;
  #connected = false;
  #blocked: string | undefined;
  #closing: Promise<void> | undefined;
  #refusal: BrokerRefusal | undefined;
  #refusals = 0;
  #problem = 'The broker has not answered yet.';
  readonly #topology: ConnectionOptions['topology'];
  #socket: Socket | undefined;

  /** Use {@link openConnection}. */
  constructor(model: RecoveringChannelModel, hosts: Hosts, options: ConnectionOptions) {
    super();
    this.setMaxListeners(0);
    this.#model = model;
    this.#log = options.log.child({ connection: options.name });
    this.#topology = options.topology;
    this.#ready = this.#subscribe(hosts, options);
    this.#ready.catch(() => undefined); // callers need not wait for it
  }

  get connected(): boolean {
    return this.#connected;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The reason why the broker blocks publishing on this connection (an alarm on its memory or disk); undefined if it
   * does not.
   */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  /** Why the connection is not up, and what an operator has to do. */
  problems(): string[] {
    return this.#connected ? [] : [this.#problem];
  }

  /** The broker's own properties, such as its version; while down, those of the last connection. */
  get serverProperties(): ServerProperties | undefined {
    return this.#server;
  }

  /** Resolves when the connection is up for the first time. Rejects if it is closed first, or with a {@link BrokerRefusal}. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Waits while disconnected. Rejects if the connection is closed, or lost while the channel opens. */
  createChannel(): Promise<Channel> {
    return this.#model.createChannel();
  }

  /** Like {@link createChannel}, with publisher confirms. */
  createConfirmChannel(): Promise<ConfirmChannel> {
    return this.#model.createConfirmChannel();
  }

  /**
   * Has the topology declared again. Call it when the broker reports a missing queue or exchange, or returns a message.
   *
   * @returns whether everything is in place afterwards
   */
  async restoreTopology(): Promise<boolean> {
    return (await this.#topology?.check()) ?? false;
  }

  /** Ends the connection and opens another, to wherever the URL leads now. */
  reconnect(): void {
    this.#socket?.destroy(new Error('a new connection is wanted'));
  }

  /**
   * Final, and never rejects: no attempt follows, and all channels are closed even if the broker does not answer. An
   * attempt that is under way is given up, but may take up to 10 s to end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const answered = this.#model.close().catch(() => undefined);
    const gone = this.#socket === undefined ? answered : once(this.#socket, 'close').catch(() => undefined);
    await within(CLOSE_MS, Promise.race([answered, gone]), undefined);
    // Ends a connection whose peer did not answer; amqplib then also stops its heartbeats and closes the channels.
    this.#socket?.destroy(new Error('the broker did not answer the close'));
    this.#connected = false;
    this.emit('closed');
  }

  #subscribe(hosts: Hosts, options: ConnectionOptions): Promise<void> {
    const model = this.#model;
    for (const event of ['disconnect', 'connect-failed'] as const) model.on(event, hosts.turn);
    model.on('error', () => undefined); // 'disconnect' follows with the same error; without a listener it would throw
    model.on('handler-error', (error: Error) =>
      this.#log.error(describe(error), 'listener of the broker connection threw'),
    );
    model.on('blocked', (reason: string) => {
      this.#blocked = reason;
      this.#log.warn({ reason }, 'broker blocked publishing');
      this.#announce('blocked');
    });
    model.on('unblocked', () => {
      this.#log.info('broker unblocked publishing');
      this.#unblock();
    });
    model.on('connect', (established: ChannelModel) => {
      this.#server = established.connection.serverProperties;
      this.#socket = socketOf(established);
      if (this.#socket) this.readLimit.attach(this.#socket);
      this.#connected = true;
      this.#log.info({ version: this.#server.version }, 'broker connected');
      this.#announce('up');
      // The socket was closed right after the handshake: amqplib listens too late, and would keep a dead connection
      // forever.
      if (this.#socket?.writable === false) established.emit('close', new Error('closed while connecting'));
    });
    model.on('disconnect', (error: Error) => {
      this.#connected = false;
      this.#problem = 'The connection to the broker is lost: reconnecting.';
      this.#log.warn(describe(error), 'broker connection lost');
      this.#unblock();
      this.#announce('down', error);
    });
    model.on('connect-failed', (error: Error) => {
      if (this.closed) return;
      this.#log.warn(describe(error), 'broker not reachable, trying again');
      options.onConnectFailed?.(error);
      const refusal = refusalOf(error);
      this.#problem = refusal?.message ?? whyUnreachable(error);
      if (this.#server !== undefined) return;
      this.#refusals = refusal === undefined ? 0 : this.#refusals + 1;
      if (this.#refusals < REFUSALS * hosts.count) return;
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

  #unblock(): void {
    if (this.#blocked === undefined) return;
    this.#blocked = undefined;
    this.#announce('unblocked');
  }

  /** Listener errors must not reach amqplib, which would take them for a failed connection. */
  #announce<E extends Exclude<keyof ConnectionEvents, 'closed'>>(event: E, ...args: ConnectionEvents[E]): void {
    try {
      (this as EventEmitter).emit(event, ...args);
    } catch (thrown) {
      this.#log.error(describe(thrown), 'listener of the broker connection threw');
    }
  }
}

/**
 * Begins to connect and returns at once, even if the broker is not up yet. Wait for `ready()` before work that needs the
 * broker. Rejects with a {@link BrokerRefusal} for an invalid URL.
 */
export async function openConnection(options: ConnectionOptions): Promise<BrokerConnection> {
  const url = Secret.of(options.url);
  let used = url.value;
  const hosts = new Hosts(parseAmqpUrls(used));
  const model = await connect(hosts.current, {
    noDelay: true,
    keepAlive: true,
    timeout: HANDSHAKE_MS,
    clientProperties: { connection_name: options.name },
    recovery: {
      initialDelay: 200,
      maxDelay: options.maxDelayMs ?? 15_000,
      jitter: 0.5,
      waitForConnect: false, // listeners first; and no `setup` callback: amqplib never recovers from a loss inside it
    },
  });
  model.on('connect-failed', (error: Error) => {
    if (refusalOf(error) === undefined) return;
    url.readAgain();
    if (url.value === used) return;
    used = url.value; // another connection may already have read the file again
    hosts.replace(parseAmqpUrls(used));
  });
  return new BrokerConnection(model, hosts, options);
}

/** amqplib cannot end a connection whose peer is silent: its `close()` waits for an answer forever. */
function socketOf(model: ChannelModel): Socket | undefined {
  return (model.connection as { stream?: Socket }).stream;
}

/**
 * Closes a channel and waits until it is closed. Never rejects, and unlike amqplib's own `close()` never hangs on a lost
 * connection.
 */
export async function closeChannel(channel: Channel): Promise<void> {
  const over = new AbortController();
  const closed = once(channel, 'close', { signal: over.signal }).catch(() => undefined);
  channel.close().catch(() => over.abort()); // it was closed already
  await within(CLOSE_MS, closed, undefined);
  over.abort();
}
