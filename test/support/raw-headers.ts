/** Messages whose header tables amqplib cannot write: their bytes are made here. */
import { NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import type { TestBroker } from './broker';
import { until } from './broker';

const FRAME_END = 0xce;
const HEADERS_AND_MODE = 0b0011_0000_0000_0000;
const PERSISTENT = 2;

export interface RawMessage {
  exchange?: string;
  routingKey?: string;
  body: string;
  /** The fields of the header table, as bytes. */
  headers: Buffer;
}

/** A field `a` with tables (`F`) or arrays (`A`) inside each other. */
export function nested(type: 'F' | 'A', levels: number): Buffer {
  const field = (length: number): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(length);
    return Buffer.concat([Buffer.from(type), size]);
  };
  const key = Buffer.from('\u0001a');
  const inner = type === 'F' ? key.length + 5 : 5;
  const parts = Array.from({ length: levels }, (_, level) => {
    const head = field(inner * (levels - level - 1));
    return level === 0 || type === 'F' ? Buffer.concat([key, head]) : head;
  });
  return Buffer.concat(parts);
}

/** Publishes messages to a queue, and returns when it has them, in order. */
export async function sendRaw(broker: TestBroker, messages: readonly RawMessage[]): Promise<void> {
  const channel = (await broker.channel()) as unknown as {
    ch: number;
    connection: { channels: { buffer: { write(bytes: Buffer): void } }[] };
    close(): Promise<void>;
  };
  for (const message of messages) {
    const queue = message.routingKey ?? NEWSLETTER_QUEUE;
    const before = await broker.ready(queue);
    channel.connection.channels[channel.ch]?.buffer.write(framesOf(channel.ch, { routingKey: queue, ...message }));
    await until(async () => (await broker.ready(queue)) > before);
  }
  await channel.close();
}

function framesOf(channel: number, { exchange = '', routingKey = '', body, headers }: RawMessage): Buffer {
  const content = Buffer.from(body);
  const method = Buffer.concat([shorts(60, 40, 0), shortText(exchange), shortText(routingKey), Buffer.from([0])]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(content.length));
  const table = Buffer.alloc(4);
  table.writeUInt32BE(headers.length);
  const mode = Buffer.from([PERSISTENT]);
  const header = Buffer.concat([shorts(60, 0), size, shorts(HEADERS_AND_MODE), table, headers, mode]);
  return Buffer.concat([frame(1, channel, method), frame(2, channel, header), frame(3, channel, content)]);
}

function frame(type: number, channel: number, payload: Buffer): Buffer {
  const start = Buffer.alloc(7);
  start.writeUInt8(type, 0);
  start.writeUInt16BE(channel, 1);
  start.writeUInt32BE(payload.length, 3);
  return Buffer.concat([start, payload, Buffer.from([FRAME_END])]);
}

function shorts(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, 2 * index);
  return bytes;
}

const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
