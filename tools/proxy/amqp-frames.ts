/** https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 2.3.5: frame types, and methods by class and number. */
import { FrameSplitter } from './frame-splitter';

const METHOD = 1;
const HEADER = 2;
const BODY = 3;
/** A client's first bytes name the protocol. */
const GREETING_LENGTH = 8;
export const PUBLISH = '60.40';
export const DELIVER = '60.60';
export const ACK = '60.80';

export interface AmqpFrame {
  /** 0 for the greeting. */
  type: number;
  channel: number;
  /** Empty for other frames than methods. */
  method: string;
  payload: Buffer;
  bytes: Buffer;
}

/** @returns a function that cuts bytes into frames */
export function amqpFrames(from: 'client' | 'server'): (bytes: Buffer) => Iterable<AmqpFrame> {
  const isGreeting = (isFirst: boolean): boolean => isFirst && from === 'client';
  const splitter = new FrameSplitter((rest, isFirst) => {
    if (isGreeting(isFirst)) return GREETING_LENGTH;
    return rest.length < 7 ? undefined : 7 + rest.readUInt32BE(3) + 1;
  });
  return function* (data) {
    for (const { bytes, isFirst } of splitter.split(data)) {
      if (isGreeting(isFirst)) {
        yield { type: 0, channel: 0, method: '', payload: Buffer.alloc(0), bytes };
        continue;
      }
      const type = bytes[0] as number;
      const payload = bytes.subarray(7, -1);
      const method = type === METHOD ? `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}` : '';
      yield { type, channel: bytes.readUInt16BE(1), method, payload, bytes };
    }
  };
}

/** Finds the last frame of each message: a message is a method, a header and bodies. */
export class MessageEnds {
  readonly #left = new Map<number, number>();

  begin({ channel }: AmqpFrame): void {
    this.#left.set(channel, Number.POSITIVE_INFINITY);
  }

  /** Whether the channel's message ends with this frame. */
  isEnd({ type, channel, payload }: AmqpFrame): boolean {
    const before = this.#left.get(channel);
    if (before === undefined || (type !== HEADER && type !== BODY)) return false;
    const left = type === HEADER ? Number(payload.readBigUInt64BE(4)) : before - payload.length;
    if (left > 0) this.#left.set(channel, left);
    else this.#left.delete(channel);
    return left <= 0;
  }
}

/** The unacknowledged delivery tags of each channel. */
export class OpenTags {
  readonly #tags = new Map<number, Set<number>>();

  add(channel: number, tag: number): void {
    this.#tags.set(channel, (this.#tags.get(channel) ?? new Set()).add(tag));
  }

  /** Removes the tags that this ack covers. @returns how many */
  remove({ channel, payload }: AmqpFrame): number {
    const tags = this.#tags.get(channel) ?? new Set<number>();
    const tag = Number(payload.readBigUInt64BE(4));
    const multiple = ((payload[12] as number) & 1) === 1;
    const covered = [...tags].filter((open) => (multiple ? open <= tag || tag === 0 : open === tag));
    for (const one of covered) tags.delete(one);
    return covered.length;
  }
}

export function deliveryTagOf({ payload }: AmqpFrame): number {
  const tagAt = 5 + (payload[4] as number); // after the consumer's tag, a short string
  return Number(payload.readBigUInt64BE(tagAt));
}
