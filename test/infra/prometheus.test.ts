/** A real Prometheus scrapes a service at work and its RabbitMQ, evaluates the alerts and answers the dashboard. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Service } from '../../src/main';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import type { ChaosBroker } from '../../tools/chaos/servers/broker';
import { parseMetrics } from '../../tools/prometheus';
import { TestBroker, until } from '../support/broker';
import { filledIn, readDashboard } from '../support/dashboard';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { startRabbitMq } from '../support/infra';
import { PrometheusServer } from '../support/prometheus-server';
import { RABBITMQ } from '../support/promql';
import { eventually, get, messageOf, publish, startOn } from '../support/service';

const DEPLOY = join(__dirname, '../../deploy');
const RULES = join(DEPLOY, 'prometheus/onecontact.rules.yaml');
const LIMIT_MS = 180_000;

let server: ChaosBroker;
let broker: TestBroker;
let database: TestDatabase;
let service: Service;
let prometheus: PrometheusServer;

beforeAll(async () => {
  server = await startRabbitMq({ metrics: true });
  broker = await TestBroker.take(server.url);
  database = await freshDatabase();
  await database.sql(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
  service = await startOn(broker, database);
  const { hostname: host, port } = new URL(service.url);
  const jobs = [
    { name: 'onecontact', target: { host, port: Number(port) }, path: '/metrics' },
    { name: 'rabbitmq', target: metricsOfBroker(), path: '/metrics/per-object' },
  ];
  prometheus = await PrometheusServer.start({ jobs, rules: RULES });
  await until(async () => (await prometheus.query('up == 1')).length === jobs.length, LIMIT_MS);
});
afterAll(async () => {
  await prometheus?.stop();
  await service?.stop();
  await database?.drop();
  await broker?.release();
  await server?.stop();
});

function metricsOfBroker() {
  if (!server.metricsTarget) throw new Error('the broker serves no metrics');
  return server.metricsTarget;
}

/** One of each: a new reader, a dated sign-up, a merge and its notification, a dead letter, a failing message, a look-up. */
async function work(round: number): Promise<void> {
  await publish(broker, acct(`u${round}`, `first${round}`, 1), signup(`second${round}`, ['x'], 2));
  const { exchange, key, body } = messageOf(signup(`dated${round}`, ['x'], 3));
  await broker.send(exchange, key, [JSON.stringify(body)], { timestamp: Math.floor(Date.now() / 1000) });
  await broker.send(NEWSLETTER_EVENTS, 'newsletter.subscribe', ['{']);
  await publish(broker, signup(`poison${round}`, ['x'], 1), acct(`u${round}`, `second${round}`, 4));
  await get(service, `/contacts/by-email/dated${round}@mail.test`);
}

describe('Prometheus', () => {
  it('has an answer to every query of the dashboard once the service has done one of each', async () => {
    const { queries } = readDashboard();
    let round = 0;
    const unanswered = async (): Promise<string[]> => {
      await work(++round);
      const answers = queries.map(async ({ panel, expr }) => {
        const samples = await prometheus.query(filledIn(expr, { job: 'onecontact', interval: '10m' }));
        return samples.some(({ value: [, text] }) => Number.isFinite(Number(text))) ? [] : [`${panel}: ${expr}`];
      });
      return (await Promise.all(answers)).flat();
    };
    await eventually(unanswered, (queriesLeft) => queriesLeft.length === 0, LIMIT_MS);
  });

  it('evaluates every alert, and fires for the first dead letter but for nothing that pages', async () => {
    const states = async () => new Map((await prometheus.rules()).map(({ name, state }) => [name, state]));
    await eventually(states, (it) => it.get('OneContactDeadLetters') === 'firing', LIMIT_MS);
    const rules = await prometheus.rules();
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules.filter(({ state }) => state === 'firing').map(({ name }) => name)).toEqual(['OneContactDeadLetters']);
  });
});

describe('KEDA', () => {
  it('would get a number from its query', async () => {
    const text = readFileSync(join(DEPLOY, 'kubernetes/keda/scaled-object.yaml'), 'utf8');
    const { spec } = parse(text) as { spec: { triggers: [{ metadata: { query: string } }] } };
    const samples = await prometheus.query(spec.triggers[0].metadata.query);
    expect(samples.map(({ metric }) => metric)).toEqual([{}]);
    expect(Number(samples[0]?.value[1])).toBeGreaterThanOrEqual(0);
  });
});

describe('RabbitMQ', () => {
  const scrape = async (path: string) => {
    const { host, port } = metricsOfBroker();
    return parseMetrics(await (await fetch(`http://${host}:${port}${path}`)).text());
  };

  it('has the metrics and labels that the alerts and the dashboard name, at /metrics/per-object', async () => {
    const families = await scrape('/metrics/per-object');
    for (const [name, labels] of Object.entries(RABBITMQ)) {
      const sample = families.get(name)?.samples.at(-1);
      expect([name, ...Object.keys(sample?.labels ?? {})]).toEqual(expect.arrayContaining([name, ...labels]));
    }
    const queues = families.get('rabbitmq_queue_messages_ready')?.samples.map(({ labels }) => labels.queue);
    expect(queues).toEqual(expect.arrayContaining(['contacts.fxa', 'contacts.unrouted', 'mailer.contact-events']));
  });

  it('adds up the queues at /metrics, and names its metrics otherwise at /metrics/detailed', async () => {
    const summed = (await scrape('/metrics')).get('rabbitmq_queue_messages_ready')?.samples;
    expect(summed?.map(({ labels }) => labels.queue)).toEqual([undefined]);
    const detailed = await scrape('/metrics/detailed?family=queue_coarse_metrics');
    expect(detailed.has('rabbitmq_queue_messages_ready')).toBe(false);
    expect(detailed.has('rabbitmq_detailed_queue_messages_ready')).toBe(true);
  });
});
