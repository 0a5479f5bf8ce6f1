/**
 * One producer, as a process of its own: sends its share of the load, each message until the broker has confirmed it,
 * under the same id; and writes down what was confirmed. Started by producers.ts, with its orders in its environment.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { openConnection } from '../../src/rabbitmq/connection';
import { Publisher } from '../../src/rabbitmq/publisher';
import { type Load, sendings } from './load';
import type { Message } from './message';

export interface Orders {
  number: number;
  load: Load;
  amqpUrl: string;
  /** Where confirmed messages are written, one JSON object a line. */
  file: string;
}

export interface Told {
  /** Messages that the broker has confirmed. */
  confirmed: number;
  /** Times that one was published again, because its fate was unknown. */
  again: number;
  /** Milliseconds that it is behind its plan. */
  behind: number;
  done: boolean;
}

/** Unconfirmed at once: what is behind is made up for in a rush, but not in one piece. */
const MAX_OPEN = 100;
const TELL_MS = 500;

async function produce({ number, load, amqpUrl, file }: Orders): Promise<void> {
  const log = pino({ level: 'silent' });
  const connection = await openConnection({ url: amqpUrl, name: `chaos producer ${number}`, log, maxDelayMs: 2_000 });
  const publisher = new Publisher({ connection, log, confirmTimeoutMs: 5_000 });
  const out = openSync(file, 'w');
  const told: Told = { confirmed: 0, again: 0, behind: 0, done: false };
  const tell = (): void => void process.send?.(told);
  const timer = setInterval(tell, TELL_MS);

  const send = async (message: Message): Promise<void> => {
    const { id, exchange, key, content } = message;
    const outgoing = { exchange, routingKey: key, content: Buffer.from(content), messageId: id };
    for (;;) {
      const { outcome } = await publisher.publish({ ...outgoing, contentType: 'application/json' });
      if (outcome === 'confirmed') break;
      told.again += 1;
      await delay(100);
    }
    told.confirmed += 1;
    // Content that must not be understood is told by its kind.
    writeSync(out, `${JSON.stringify(message.is === 'event' ? message : { ...message, content: '' })}\n`);
  };

  await connection.ready();
  tell();
  const begin = performance.now();
  const open = new Set<Promise<void>>();
  for (const { at, producer, message } of sendings(load)) {
    if (producer !== number) continue;
    const early = at - (performance.now() - begin);
    if (early > 0) await delay(early);
    told.behind = Math.max(0, -early);
    while (open.size >= MAX_OPEN) await Promise.race(open);
    const sending = send(message).finally(() => open.delete(sending));
    open.add(sending);
  }
  await Promise.all(open);
  clearInterval(timer);
  closeSync(out);
  await publisher.close();
  await connection.close();
  told.behind = 0;
  told.done = true;
  tell();
}

const onOrphaned = (): void => process.exit(1);
process.once('disconnect', onOrphaned); // the chaos run is gone
produce(JSON.parse(process.env.CHAOS_ORDERS ?? '') as Orders).then(
  () => {
    process.off('disconnect', onOrphaned);
    process.disconnect();
  },
  (error: Error) => {
    process.stderr.write(`producer: ${error.stack}\n`);
    process.exit(1);
  },
);
