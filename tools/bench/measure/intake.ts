import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import { ServiceProcess } from '../../program/process';
import type { Bench } from '../bench';
import { now } from '../broker';
import { onecontact } from '../contenders/contender';
import { messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { contactsFor, loadOf, measureRun, type Run } from './run';
import { inRounds } from './throughput';

export interface Intake {
  /** Messages in a request; null: what one worker consumes of the same messages. */
  list: number | null;
  /** Requests at once. */
  atOnce: number;
  runs: Pick<Run, 'events' | 'throughput' | 'cpu'>[];
}

const SHAPES: readonly Intake[] = [
  { list: 1, atOnce: 32, runs: [] },
  { list: 100, atOnce: 16, runs: [] },
  { list: null, atOnce: 0, runs: [] },
];

/** What one process takes over HTTP, each message confirmed by the broker, beside what one worker consumes of the same messages. */
export async function measureIntake(bench: Bench): Promise<Intake[]> {
  await inRounds(bench, SHAPES, async ({ list, atOnce, runs }) => {
    if (list === null) {
      runs.push(await measureRun(bench, onecontact(bench.options.set), loadOf(bench, 'new')));
      return `one worker consumes ${Math.round(runs.at(-1)?.throughput ?? 0)} events/s`;
    }
    const run = await sendAll(bench, list, atOnce);
    runs.push(run);
    return `intake in lists of ${list}: ${Math.round(run.throughput)} events/s`;
  });
  return [...SHAPES];
}

async function sendAll(
  { options, folder, amqpUrl, broker }: Bench,
  list: number,
  atOnce: number,
): Promise<Intake['runs'][0]> {
  await broker.purge();
  const supply = supplyOf('new', contactsFor(options.events, options), options.seed);
  const bodies = (events: number): string[] => {
    const messages = supply(events).map((act) => messageOf(act).body);
    if (list === 1) return messages.map((message) => JSON.stringify(message));
    return Array.from({ length: Math.ceil(events / list) }, (_, n) =>
      JSON.stringify(messages.slice(n * list, (n + 1) * list)),
    );
  };
  const path = join(folder, '../../../src/cli/main.js');
  const service = new ServiceProcess({ path }, { args: ['--only', 'intake'], env: { AMQP_URL: amqpUrl } });
  try {
    while (!service.isUp) await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), failed(service)]);
    const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
    const url = new URL('/events/newsletter', service.url);
    await inParallel(bodies(Math.ceil(options.events / 4)), atOnce, (body) => post(url, agent, body));
    const measured = bodies(options.events);
    const [begin, cpu] = [now(), await cpuOf(service)];
    await inParallel(measured, atOnce, (body) => post(url, agent, body));
    const elapsed = now() - begin;
    const cpuUsed = (await cpuOf(service)) - cpu;
    agent.destroy();
    const expected = Math.ceil(options.events / 4) + options.events;
    const ready = await broker.ready(NEWSLETTER_QUEUE);
    if (ready !== expected) throw new Error(`the queue has ${ready} of ${expected} messages that were taken`);
    return { events: options.events, throughput: (options.events / elapsed) * 1_000, cpu: cpuUsed };
  } finally {
    await service.stop();
    await broker.purge();
  }
}

/** Seconds of processor time. */
async function cpuOf({ url }: ServiceProcess): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
}

async function failed(service: ServiceProcess): Promise<never> {
  await service.ended;
  throw new Error(`intake ended: ${service.err}`);
}

async function inParallel(bodies: readonly string[], atOnce: number, send: (body: string) => Promise<void>) {
  const queue = bodies[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const body of queue) await send(body);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

function post(url: URL, agent: Agent, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 202) resolve();
        else reject(new Error(`intake answered ${answer.statusCode}`));
      });
    });
    sent.once('error', reject).end(body);
  });
}
