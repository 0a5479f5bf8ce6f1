import type { Socket } from 'node:net';

/** The bytes of unacknowledged messages at which a connection is no longer read. */
export const MAX_UNACKED_BYTES = 32 * 1_024 * 1_024;

/**
 * Bounds the memory that the deliveries of one connection take. A prefetch counts messages, whatever their size, and
 * amqplib reads all that the broker sends. So while the unacknowledged messages are too large together, the socket is not
 * read, and TCP holds the broker back.
 *
 * States: *open* <-> *over*. The messages already read must be acknowledged without an answer from this connection: no
 * answer arrives while over. If that takes longer than two heartbeats, the connection is lost, and opened again.
 */
export class ReadLimit {
  #bytes = 0;
  #socket: Socket | undefined;

  get isOver(): boolean {
    return this.#bytes > MAX_UNACKED_BYTES;
  }

  /** Call it for each new socket. */
  attach(socket: Socket): void {
    this.#socket = socket;
    // amqplib calls `read` while there is data, so `pause` would have no effect.
    const read = socket.read.bind(socket);
    socket.read = (size?: number): unknown => (this.isOver ? null : read(size));
  }

  /** Adds the bytes of deliveries, or subtracts those of acknowledged ones. */
  readonly add = (bytes: number): void => {
    const wasOver = this.isOver;
    this.#bytes += bytes;
    const socket = this.#socket;
    if (wasOver && !this.isOver) setImmediate(() => socket?.emit('readable'));
  };
}
