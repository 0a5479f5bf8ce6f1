import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import pino from 'pino';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { connect } from '../../src/rabbitmq/amqplib';
import {
  DEAD_LETTERS,
  FXA_EVENTS,
  HEADERS,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  RETRY_DELAYS,
  retryQueue,
} from '../../src/rabbitmq/names';
import { writingTables } from '../nested-headers';
import { parseCounters, sumOf } from '../prometheus';
import type { Random } from '../random';
import { Memory } from './memory';
import { type FuzzMessage, fuzzMessages } from './messages';
import { count, total } from './tally';

export interface ServiceRun {
  published: number;
  /** By outcome, and by type or reason except for `ok` and `ignored`. */
  counted: Map<string, number>;
  /** By reason. */
  deadLetters: Map<string, number>;
  merges: number;
  announced: number;
  /** Log lines at `warn` and above, by message. */
  logged: Map<string, number>;
  problems: string[];
  memory: Memory;
}

export interface ServiceRunOptions {
  amqpUrl: string;
  databaseUrl: string;
  random: Random;
  count: number;
  /** Whether header tables are deeply nested. */
  nesting?: boolean;
  /** How many messages are published before waiting for the service. */
  chunk?: number;
  onProgress?: (done: number, memory: Memory) => void;
}

/** The service is stuck if it counts nothing for this long. */
const PATIENCE_MS = 60_000;
/** Begins the ids of messages that must not become dead letters. */
const HEALTHY = 'healthy-';

/**
 * Sends messages through a real broker and the whole service, on a migrated database. The service must count every message
 * once, every dead letter must arrive under the reason that was counted and none of them may be healthy, no message may
 * wait in a retry queue (none of these can make the database fail), and no error may be uncaught.
 */
export async function fuzzService(options: ServiceRunOptions): Promise<ServiceRun> {
  const { amqpUrl, databaseUrl, random, count: wanted, nesting, chunk = 8_000, onProgress } = options;
  const run: ServiceRun = {
    published: 0,
    counted: new Map(),
    deadLetters: new Map(),
    merges: 0,
    announced: 0,
    logged: new Map(),
    problems: [],
    memory: new Memory(),
  };
  const onError = (error: unknown): void => void run.problems.push(`uncaught: ${(error as Error)?.stack ?? error}`);
  process.on('unhandledRejection', onError).on('uncaughtException', onError);
  const write = (line: string): void => {
    const { msg, outcome } = JSON.parse(line) as { msg: string; outcome?: string };
    count(run.logged, outcome === undefined ? msg : `${msg} (${outcome})`);
  };
  const messages = fuzzMessages(random, nesting);
  const compaction = { COMPACTION_OLDER_THAN: '1d', COMPACTION_EVERY: '1s', COMPACTION_PERCENT: '50' };
  const settings = { AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl, HTTP_PORT: '0', ...compaction };
  const service = await startService(readConfig(settings, SERVICE_NEEDS), { log: pino({ level: 'warn' }, { write }) });
  const connection = await connect(amqpUrl);
  try {
    const publishing = writingTables(await connection.createConfirmChannel());
    const reading = await connection.createChannel();
    await consumeOutput(reading, run);
    while (run.published < wanted && run.problems.length === 0) {
      for (let n = Math.min(chunk, wanted - run.published); n > 0; n--) {
        run.published += 1;
        publish(publishing, messages.next().value, random, `${HEALTHY}${run.published}`);
      }
      await publishing.waitForConfirms();
      await untilCounted(run, `${service.url}/metrics`);
      run.memory.sample(run.published);
      onProgress?.(run.published, run.memory);
    }
    for (const step of RETRY_DELAYS) {
      const { messageCount } = await reading.checkQueue(retryQueue(step));
      if (messageCount > 0) run.problems.push(`${messageCount} messages wait in ${retryQueue(step)}`);
    }
    if (!(await service.stop())) run.problems.push('the service did not stop in time');
    await delay(200); // notifications of the last relay pass
  } finally {
    await service.stop();
    await connection.close();
    process.off('unhandledRejection', onError).off('uncaughtException', onError);
  }
  return run;
}

function publish(channel: Channel, message: FuzzMessage, random: Random, healthyId: string): void {
  const { source, content, healthy, headers } = message;
  const messageId = healthy ? healthyId : message.messageId;
  const exchange = source === 'fxa' ? FXA_EVENTS : NEWSLETTER_EVENTS;
  const key = random.pick(['login', 'newsletters.update', 'newsletter.subscribe', '', 'x'.repeat(255)]);
  channel.publish(exchange, key, content, {
    persistent: true,
    ...(messageId !== undefined && { messageId }),
    ...(headers && { headers }),
  });
}

/** Consumes dead letters and notifications, so that neither piles up. */
async function consumeOutput(channel: Channel, run: ServiceRun): Promise<void> {
  await channel.prefetch(500);
  await channel.consume(DEAD_LETTERS, (message) => {
    if (message === null) return;
    const reason = String(message.properties.headers?.[HEADERS.reason]);
    count(run.deadLetters, reason);
    if (String(message.properties.messageId).startsWith(HEALTHY)) run.problems.push(`a healthy message is ${reason}`);
    channel.ack(message);
  });
  await channel.consume(MAILER_QUEUE, (message) => {
    if (message === null) return;
    if (message.properties.type === 'contact.merged') run.announced += 1;
    channel.ack(message);
  });
}

/** Waits until the service has counted every message, and every dead letter has arrived. */
async function untilCounted(run: ServiceRun, url: string): Promise<void> {
  let end = performance.now() + PATIENCE_MS;
  for (let before = 0; ; ) {
    readMetrics(run, await (await fetch(url)).text());
    const [done, dead] = [total(run.counted), total(run.deadLetters)];
    const expectedDead = total(new Map([...run.counted].filter(([name]) => name.startsWith('dead '))));
    if (done === run.published && dead === expectedDead) {
      for (const [reason, n] of run.deadLetters) {
        const counted = run.counted.get(`dead ${reason}`) ?? 0;
        if (counted !== n)
          run.problems.push(`${n} dead letters have the reason ${reason}, and ${counted} were counted`);
      }
      return;
    }
    // A dead letter is consumed before it is counted, so the two are equal only at the end.
    if (done > run.published || (done === run.published && dead > expectedDead)) {
      run.problems.push(`counted ${done} of ${run.published} messages; ${dead} dead letters of ${expectedDead}`);
      return;
    }
    if (run.problems.length > 0) return;
    if (done > before) [before, end] = [done, performance.now() + PATIENCE_MS];
    if (performance.now() > end) {
      run.problems.push(
        `lost: ${run.published - done} messages not counted, ${expectedDead - dead} dead letters missing`,
      );
      return;
    }
    await delay(20);
  }
}

function readMetrics(run: ServiceRun, text: string): void {
  const counters = parseCounters(text);
  run.counted.clear();
  for (const { name, labels, value } of counters) {
    if (name !== 'onecontact_messages_total') continue;
    const { outcome = '', type } = labels;
    count(run.counted, outcome === 'ok' || outcome === 'ignored' ? outcome : `${outcome} ${type}`, value);
  }
  run.merges = sumOf(counters, 'onecontact_merges_total');
}
