import {
  ACK,
  type AmqpFrame,
  amqpFrames,
  DELIVER,
  deliveryTagOf,
  MessageEnds,
  OpenTags,
  PUBLISH,
} from '../../proxy/amqp-frames';
import type { Breakpoint } from '../../proxy/breakpoint';
import type { Link, Reader } from '../../proxy/tcp-proxy';

/** Counts the acks, published messages and confirms of a worker's connections to RabbitMQ. */
export class BrokerSteps {
  /** Acknowledged deliveries. */
  acknowledged = 0;
  #delivered = 0;
  #together = 0;

  constructor(private readonly breakpoint: Breakpoint) {}

  /** @param together hold back deliveries until this many have arrived, so that the worker has them in one batch */
  reset(together: number): void {
    this.#delivered = 0;
    this.acknowledged = 0;
    this.#together = together;
  }

  read(link: Link): Reader {
    const [requests, responses] = [amqpFrames('client'), amqpFrames('server')];
    const [publishing, delivering] = [new MessageEnds(), new MessageEnds()];
    const [unconfirmed, unacknowledged] = [new OpenTags(), new OpenTags()];
    const published = new Map<number, number>();
    /** The number of the latest published message. */
    let message = 0;
    let heldBack: Buffer[] | undefined;
    const { breakpoint } = this;

    const toServer = (frame: AmqpFrame): void => {
      if (frame.method === PUBLISH) {
        const tag = (published.get(frame.channel) ?? 0) + 1;
        published.set(frame.channel, tag);
        unconfirmed.add(frame.channel, tag);
        publishing.begin(frame);
        message = breakpoint.count('publish', 'a message');
        if (breakpoint.stopsAt('publish', message, 'before')) return;
      }
      const ack = frame.method === ACK ? breakpoint.count('ack', 'of deliveries') : 0;
      if (ack > 0 && breakpoint.stopsAt('ack', ack, 'before')) return;
      link.toTarget(frame.bytes);
      if (ack > 0) {
        this.acknowledged += unacknowledged.remove(frame);
        breakpoint.stopsAt('ack', ack, 'after');
      }
      if (publishing.isEnd(frame)) breakpoint.stopsAt('publish', message, 'after');
    };

    const toWorker = (frame: AmqpFrame): void => {
      const confirmed = frame.method === ACK ? unconfirmed.remove(frame) : 0;
      // A confirm may cover several messages: each is a step.
      const confirms = Array.from({ length: confirmed }, () => breakpoint.count('confirm', 'of a message'));
      if (confirms.some((nr) => breakpoint.stopsAt('confirm', nr, 'before'))) return;
      if (frame.method === DELIVER) {
        delivering.begin(frame);
        unacknowledged.add(frame.channel, deliveryTagOf(frame));
        heldBack ??= this.#delivered < this.#together ? [] : undefined;
      }
      if (heldBack) heldBack.push(frame.bytes);
      else link.toClient(frame.bytes);
      if (delivering.isEnd(frame)) {
        this.#delivered += 1;
        if (heldBack && this.#delivered >= this.#together) {
          link.toClient(Buffer.concat(heldBack));
          heldBack = undefined;
        }
      }
      for (const nr of confirms) breakpoint.stopsAt('confirm', nr, 'after');
    };

    const each = (frames: Iterable<AmqpFrame>, pass: (frame: AmqpFrame) => void): void => {
      for (const frame of frames) {
        if (breakpoint.hit) return;
        pass(frame);
      }
    };
    return {
      asked: (bytes) => each(requests(bytes), toServer),
      answered: (bytes) => each(responses(bytes), toWorker),
    };
  }
}
