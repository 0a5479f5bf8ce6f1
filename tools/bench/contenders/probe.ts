/**
 * Runs inside every contender: counts its acks by a hook in amqplib, and answers the benchmark's questions over IPC.
 * Import it first.
 */
import { Session } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import type { Channel, ConsumeMessage } from 'amqplib';
import { DUE, now } from '../broker';

export interface Report {
  /** Messages acknowledged since the start. */
  acked: number;
  lastAckAt: number;
  /** Frames sent: one may acknowledge many messages. */
  ackFrames: number;
  /** Milliseconds from due to acknowledged, for the messages with a due time since the previous report. */
  latencies: number[];
  /** Seconds of this process's processor time since the start. */
  cpu: number;
}

interface Patched {
  ack(this: Channel, message: ConsumeMessage, allUpTo?: boolean): void;
  handleDelivery(this: Channel, message: ConsumeMessage): unknown;
}

/** Every user of amqplib in this process shares this class, which amqplib does not export. */
const amqplib = dirname(require.resolve('amqplib'));
const { Channel: Prototype } = require(join(amqplib, 'lib/channel_model.js')) as { Channel: { prototype: Patched } };
const { ack, handleDelivery } = Prototype.prototype;

/** Each channel's unacknowledged tags in the order of delivery, with the messages' due times. */
const open = new WeakMap<Channel, Map<number, number | undefined>>();
const report: Report = { acked: 0, lastAckAt: 0, ackFrames: 0, latencies: [], cpu: 0 };

Prototype.prototype.handleDelivery = function (message) {
  const tags = open.get(this) ?? new Map<number, number | undefined>();
  open.set(this, tags);
  tags.set(message.fields.deliveryTag, message.properties.headers?.[DUE] as number | undefined);
  return handleDelivery.call(this, message);
};

Prototype.prototype.ack = function (message, allUpTo = false) {
  ack.call(this, message, allUpTo);
  const { deliveryTag } = message.fields;
  const tags = open.get(this) ?? new Map<number, number | undefined>();
  report.lastAckAt = now();
  report.ackFrames += 1;
  if (!allUpTo) return countAck(tags, deliveryTag);
  for (const tag of tags.keys()) {
    if (tag > deliveryTag) break;
    countAck(tags, tag);
  }
};

function countAck(tags: Map<number, number | undefined>, tag: number): void {
  const due = tags.get(tag);
  if (!tags.delete(tag)) return;
  report.acked += 1;
  if (due !== undefined) report.latencies.push(report.lastAckAt - due);
}

export type Question = 'report' | 'start profile' | 'stop profile';

const session = new Session();

async function answer(question: Question): Promise<unknown> {
  if (question === 'report') {
    const { user, system } = process.cpuUsage();
    const current = { ...report, cpu: (user + system) / 1e6 };
    report.latencies = [];
    return current;
  }
  if (question === 'stop profile') return (await session.post('Profiler.stop')).profile;
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  return null;
}

process.on('message', async (question: Question) => process.send?.(await answer(question)));
process.on('disconnect', () => process.exit(1)); // the benchmark has ended
process.channel?.unref();
