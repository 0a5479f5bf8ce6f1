/**
 * Runs inside every contender: counts its acks by a hook in amqplib, and answers the benchmark's questions over IPC.
 * Import it first.
 */
import { Session } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
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
  /** Milliseconds for which the garbage collector stopped the process since the start, by generation. */
  collected: Collected;
}

export interface Collected {
  young: number;
  old: number;
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
const collected: Collected = { young: 0, old: 0 };
const report: Report = { acked: 0, lastAckAt: 0, ackFrames: 0, latencies: [], cpu: 0, collected };

new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { duration, detail } = entry as PerformanceEntry & { detail: { kind: number } };
    const { kind } = detail;
    collected[kind === constants.NODE_PERFORMANCE_GC_MINOR ? 'young' : 'old'] += duration;
  }
}).observe({ entryTypes: ['gc'] });

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

/** A report, or a command for V8's inspector. */
export type Question = 'report' | { method: string; params?: object };

let session: Session | undefined;

async function answer(question: Question): Promise<unknown> {
  if (question === 'report') {
    const { user, system } = process.cpuUsage();
    const current: Report = { ...report, cpu: (user + system) / 1e6 };
    report.latencies = [];
    return current;
  }
  if (!session) {
    session = new Session();
    session.connect();
  }
  const { method, params } = question;
  return (await session.post(method as 'Profiler.stop', params)) ?? null;
}

process.on('message', async (question: Question) => process.send?.(await answer(question)));
process.on('disconnect', () => process.exit(1)); // the benchmark has ended
process.channel?.unref();
