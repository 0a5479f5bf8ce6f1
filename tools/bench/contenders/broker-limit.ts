/** The broker's limit: consume, parse, and acknowledge everything read from the socket at once with one ack. */
import './probe';
import type { Channel, ConsumeMessage } from 'amqplib';
import { connect } from '../../../src/rabbitmq/amqplib';
import { WORK_QUEUES } from '../broker';

const [prefetch] = process.argv.slice(2).map(Number);

async function start(): Promise<void> {
  const model = await connect(process.env.AMQP_URL ?? '', { noDelay: true });
  for (const queue of WORK_QUEUES) {
    const channel = await model.createChannel();
    await channel.prefetch(prefetch ?? 0);
    await consume(channel, queue);
  }
  process.stdout.write('{"level":"info","msg":"service is up"}\n');
}

async function consume(channel: Channel, queue: string): Promise<void> {
  let last: ConsumeMessage | null = null;
  await channel.consume(queue, (message) => {
    if (!message) return;
    JSON.parse(message.content.toString());
    if (!last) {
      setImmediate(() => {
        channel.ack(last as ConsumeMessage, true);
        last = null;
      });
    }
    last = message;
  });
}

void start();
