import type { Link, Reader } from '../../proxy/tcp-proxy';
import type { Gate } from './gate';

/** https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 2.3.5: frame types, and methods by class and number. */
const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const PUBLISH = '60.40';
const DELIVER = '60.60';
const ACK = '60.80';

interface Frame {
  type: number;
  channel: number;
  method: string;
  payload: Buffer;
  bytes: Buffer;
}

/** The frames in one direction of a connection, however the network cuts them. */
class Frames {
  #rest = Buffer.alloc(0);

  /** @param greeting bytes before the first frame: those with which a client names the protocol */
  constructor(private greeting: number) {}

  *of(bytes: Buffer): Iterable<Frame> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (this.greeting > 0) {
        if (this.#rest.length < this.greeting) return;
        const greeting = this.#take(this.greeting);
        this.greeting = 0;
        yield { type: 0, channel: 0, method: '', payload: Buffer.alloc(0), bytes: greeting };
      }
      if (this.#rest.length < 7) return;
      const length = 7 + this.#rest.readUInt32BE(3) + 1;
      if (this.#rest.length < length) return;
      const frame = this.#take(length);
      const type = frame[0] as number;
      const payload = frame.subarray(7, -1);
      const method = type === METHOD ? `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}` : '';
      yield { type, channel: frame.readUInt16BE(1), method, payload, bytes: frame };
    }
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** Tells when a message, which is a method with a header and bodies, is over. */
class Contents {
  readonly #left = new Map<number, number>();

  begin({ channel }: Frame): void {
    this.#left.set(channel, Number.POSITIVE_INFINITY);
  }

  /** Whether the message of this channel ends with this frame. */
  endsWith({ type, channel, payload }: Frame): boolean {
    const before = this.#left.get(channel);
    if (before === undefined || (type !== HEADER && type !== BODY)) return false;
    const left = type === HEADER ? Number(payload.readBigUInt64BE(4)) : before - payload.length;
    if (left > 0) this.#left.set(channel, left);
    else this.#left.delete(channel);
    return left <= 0;
  }
}

/** What is not acknowledged yet on a channel, in the order of its tags. */
class Open {
  readonly #tags = new Map<number, Set<number>>();

  add(channel: number, tag: number): void {
    this.#tags.set(channel, (this.#tags.get(channel) ?? new Set()).add(tag));
  }

  /** Takes away what this ack settles. @returns how many */
  settle({ channel, payload }: Frame): number {
    const tags = this.#tags.get(channel) ?? new Set<number>();
    const tag = Number(payload.readBigUInt64BE(4));
    const multiple = ((payload[12] as number) & 1) === 1;
    const settled = [...tags].filter((open) => (multiple ? open <= tag || tag === 0 : open === tag));
    for (const one of settled) tags.delete(one);
    return settled.length;
  }
}

/** One connection to RabbitMQ. */
export function amqp(gate: Gate, link: Link): Reader {
  const [asked, answered] = [new Frames(8), new Frames(0)];
  const [publishing, delivering] = [new Contents(), new Contents()];
  const [unconfirmed, unacknowledged] = [new Open(), new Open()];
  const published = new Map<number, number>();
  /** The message that is being written, and the latest one that was. */
  let message = 0;
  let waiting: Buffer[] | undefined;

  function toServer(frame: Frame): void {
    if (frame.method === PUBLISH) {
      const tag = (published.get(frame.channel) ?? 0) + 1;
      published.set(frame.channel, tag);
      unconfirmed.add(frame.channel, tag);
      publishing.begin(frame);
      message = gate.count('publish', `message ${gate.steps.filter(({ kind }) => kind === 'publish').length + 1}`);
      if (gate.ends('publish', message, 'before')) return;
    }
    const ack = frame.method === ACK ? gate.count('ack', 'of deliveries') : 0;
    if (ack > 0 && gate.ends('ack', ack, 'before')) return;
    link.toTarget(frame.bytes);
    if (ack > 0) {
      gate.settled += unacknowledged.settle(frame);
      gate.ends('ack', ack, 'after');
    }
    if (publishing.endsWith(frame)) gate.ends('publish', message, 'after');
  }

  function toWorker(frame: Frame): void {
    const confirmed = frame.method === ACK ? unconfirmed.settle(frame) : 0;
    // A confirm may be for several messages: each of them is a step.
    const numbers = Array.from({ length: confirmed }, () => gate.count('confirm', 'of a message'));
    if (numbers.some((nr) => gate.ends('confirm', nr, 'before'))) return;
    if (frame.method === DELIVER) {
      delivering.begin(frame);
      const tagAt = 5 + (frame.payload[4] as number); // behind the consumer's tag, a short text
      unacknowledged.add(frame.channel, Number(frame.payload.readBigUInt64BE(tagAt)));
      waiting ??= gate.delivered < gate.together ? [] : undefined;
    }
    if (waiting) waiting.push(frame.bytes);
    else link.toClient(frame.bytes);
    if (delivering.endsWith(frame)) {
      gate.delivered += 1;
      if (waiting && gate.delivered >= gate.together) {
        link.toClient(Buffer.concat(waiting));
        waiting = undefined;
      }
    }
    for (const nr of numbers) gate.ends('confirm', nr, 'after');
  }

  return {
    asked(bytes) {
      for (const frame of asked.of(bytes)) {
        if (gate.killed) return;
        toServer(frame);
      }
    },
    answered(bytes) {
      for (const frame of answered.of(bytes)) {
        if (gate.killed) return;
        toWorker(frame);
      }
    },
  };
}
