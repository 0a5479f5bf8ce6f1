/**
 * A producer process: sends its share of the load, publishing each message under the same id until the broker confirms
 * it, and records what was confirmed. Started by producers.ts.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { openConnection } from '../../../src/rabbitmq/connection';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { writingTables } from '../../nested-headers';
import { type Load, sendings } from './load';
import type { Message } from './message';

export interface Assignment {
  number: number;
  load: Load;
  amqpUrl: string;
  /** For confirmed messages, one JSON object a line. */
  file: string;
}

export interface Progress {
  confirmed: number;
  /** Publications repeated because the first one's outcome was unknown. */
  again: number;
  /** Milliseconds behind the plan. */
  behind: number;
}

/** Limits the burst after an interruption. */
const MAX_UNCONFIRMED = 100;
const REPORT_MS = 500;

async function produce({ number, load, amqpUrl, file }: Assignment): Promise<void> {
  const log = pino({ level: 'silent' });
  const connection = await openConnection({ url: amqpUrl, name: `chaos producer ${number}`, log, maxDelayMs: 2_000 });
  const createChannel = connection.createConfirmChannel.bind(connection);
  connection.createConfirmChannel = async () => writingTables(await createChannel());
  const publisher = new Publisher({ connection, log, confirmTimeoutMs: 5_000 });
  const out = openSync(file, 'w');
  const progress: Progress = { confirmed: 0, again: 0, behind: 0 };
  const report = (): void => void process.send?.(progress);
  const timer = setInterval(report, REPORT_MS);

  const send = async (message: Message): Promise<void> => {
    const { id, exchange, key, content, headers = {} } = message;
    const outgoing = { exchange, routingKey: key, content: Buffer.from(content), messageId: id, headers };
    for (;;) {
      const { outcome } = await publisher.publish({ ...outgoing, contentType: 'application/json' });
      if (outcome === 'confirmed') break;
      progress.again += 1;
      await delay(100);
    }
    progress.confirmed += 1;
    // Only an event's content is needed afterwards; others may be large.
    writeSync(out, `${JSON.stringify(message.is === 'event' ? message : { ...message, content: '', headers: {} })}\n`);
  };

  await connection.ready();
  report();
  const begin = performance.now();
  const unconfirmed = new Set<Promise<void>>();
  for (const { at, producer, message } of sendings(load)) {
    if (producer !== number) continue;
    const early = at - (performance.now() - begin);
    if (early > 0) await delay(early);
    progress.behind = Math.max(0, -early);
    while (unconfirmed.size >= MAX_UNCONFIRMED) await Promise.race(unconfirmed);
    const sending = send(message).finally(() => unconfirmed.delete(sending));
    unconfirmed.add(sending);
  }
  await Promise.all(unconfirmed);
  clearInterval(timer);
  closeSync(out);
  await publisher.close();
  await connection.close();
  progress.behind = 0;
  report();
}

const exitWithParent = (): void => process.exit(1);
process.once('disconnect', exitWithParent);
produce(JSON.parse(process.env.CHAOS_PRODUCER ?? '') as Assignment).then(
  () => {
    process.off('disconnect', exitWithParent);
    process.disconnect();
  },
  (error: Error) => {
    process.stderr.write(`producer: ${error.stack}\n`);
    process.exit(1);
  },
);
