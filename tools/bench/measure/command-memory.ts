import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DEAD_LETTERS, NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import { peakMemory } from '../../program/peak-memory';
import type { Bench } from '../bench';
import { throttled } from '../databases';
import type { Message } from '../load/acts';

const CHECKOUT = resolve(__dirname, '../../..');
/** Contacts in the database before an import: the fewest that a template can have. */
const STORED = 2;
const READ_MS = 50;

/** The peak memory in MB of `import` of so many records; null where the system does not report it. */
export async function measureImport(bench: Bench, records: number): Promise<number | null> {
  const file = join(bench.folder, 'records.ndjson');
  const make = spawn(
    process.execPath,
    [
      ...process.execArgv,
      join(CHECKOUT, 'tools/run.mjs'),
      'script',
      join(CHECKOUT, 'tools/make-records.ts'),
      `${records}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await pipeline(make.stdout, createWriteStream(file));
  const database = await bench.databases.clone(STORED);
  try {
    return await peakOfCommand(bench, database.url, ['import', file]);
  } finally {
    await database.drop();
    await rm(file);
  }
}

/** The highest peak memory in MB of the commands that read all of these dead letters, one after another. */
export async function measureDeadLetters(bench: Bench, letters: Iterable<Message>): Promise<number | null> {
  const { broker, databases, say } = bench;
  await broker.purge();
  const database = await databases.clone(STORED);
  try {
    const published = throttled(5_000, (done) => say(`  published ${done}`));
    await broker.publish(deadLetters(letters), published);
    let highest: number | null = null;
    for (const args of [['list'], ['replay', '--all', '--dry-run'], ['drop', '--all', '--yes']]) {
      const peak = await peakOfCommand(bench, database.url, ['dead-letters', ...args]);
      if (peak !== null) highest = Math.max(highest ?? 0, peak);
    }
    return highest;
  } finally {
    await broker.purge();
    await database.drop();
  }
}

function* deadLetters(messages: Iterable<Message>): Generator<Message> {
  const headers = { 'origin-queue': NEWSLETTER_QUEUE, reason: 'invalid' };
  for (const { body } of messages) yield { exchange: '', routingKey: DEAD_LETTERS, headers, body };
}

/** Runs a command of the command line to its end. @throws Error if it fails */
async function peakOfCommand(
  { folder, amqpUrl, say }: Bench,
  databaseUrl: string,
  args: readonly string[],
): Promise<number | null> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, [join(folder, '../../../src/cli/main.js'), ...args], {
    env: { PATH, HOME, TMPDIR, NODE_ENV: 'production', AMQP_URL: amqpUrl, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4_000);
  });
  const exit = once(child, 'exit');
  let peak: number | null = null;
  // The system's own record of the peak: only what the process allocates just before its end is missed.
  while (child.exitCode === null && child.signalCode === null) {
    peak = peakMemory(child.pid) ?? peak;
    await Promise.race([exit, delay(READ_MS)]);
  }
  if (child.exitCode !== 0) throw new Error(`onecontact ${args.join(' ')} failed: ${stderr}`);
  say(
    `  onecontact ${args.slice(0, 2).join(' ')}: ${peak === null ? 'memory unknown' : `${(peak / 2 ** 20).toFixed(0)} MB`}`,
  );
  return peak === null ? null : peak / 2 ** 20;
}
