/** Every metric of ours changes when it should, and follows the conventions of Prometheus. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify from 'fastify';
import { measureRequests } from '../../src/http/measure';
import { type Service, startService } from '../../src/main';
import { DEAD_LETTER_REASONS } from '../../src/messages/incoming/decoded';
import { makeMetrics, PAUSE_REASONS, STAGES } from '../../src/observability/metrics';
import {
  CONTACT_EVENTS,
  DEAD_LETTERS,
  FXA_QUEUE,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  RETRY_DELAYS,
  UNROUTED,
} from '../../src/rabbitmq/names';
import { OUTCOMES } from '../../src/rabbitmq/publishing/outgoing';
import { CONTACT_MESSAGES } from '../../tools/contracts/catalogue';
import { parseMetrics, sampled } from '../../tools/prometheus';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, optout, signup } from '../support/events';
import { config, eventually, get, messageOf, publish } from '../support/service';

const broker = withBroker();

describe('/metrics', () => {
  let database: TestDatabase;
  const proxies: TcpProxy[] = [];
  let service: Service;

  const read = async () => parseMetrics((await get(service, '/metrics')).text);
  /** Waits until a metric has a value of at least 1. */
  const moves = (name: string, labels: Record<string, string> = {}) =>
    eventually(
      async () => sampled(await read(), `onecontact_${name}`, labels) ?? 0,
      (value) => value >= 1,
    );
  const newsletter = { queue: NEWSLETTER_QUEUE };

  beforeAll(async () => {
    database = await freshDatabase();
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'poison%') EXECUTE FUNCTION refuse()`);
    const [rabbit, postgres] = [await TcpProxy.to(broker().url), await TcpProxy.to(database.url)];
    proxies.push(rabbit, postgres);
    const urls = { amqpUrl: rabbit.through(broker().url), databaseUrl: postgres.through(database.url) };
    service = await startService(config(urls), { log: silent });
  });
  afterAll(async () => {
    await service?.stop();
    for (const proxy of proxies) await proxy.close();
    await database?.drop();
  });

  it('starts every counter with known labels at zero, so that the first count is an increase', async () => {
    const families = await read();
    const series = (name: string, labels: Record<string, string> = {}) =>
      sampled(families, `onecontact_${name}`, labels);
    for (const queue of [FXA_QUEUE, NEWSLETTER_QUEUE]) {
      for (const reason of [...DEAD_LETTER_REASONS, 'failed', 'rejected'])
        expect([reason, series('dead_letters_total', { queue, reason })]).toEqual([reason, 0]);
      for (const { name: delay } of RETRY_DELAYS) expect(series('retries_total', { queue, delay })).toBe(0);
      for (const reason of PAUSE_REASONS) expect(series('pauses_total', { queue, reason })).toBe(0);
      expect(series('stale_reads_total', { queue })).toBe(0);
      expect(series('waiting_for_publisher', { queue })).toBe(0);
    }
    const account = { queue: FXA_QUEUE, type: 'primaryEmailChanged' };
    for (const outcome of ['ok', 'erased']) expect(series('messages_total', { ...account, outcome })).toBe(0);
    for (const { name: type } of CONTACT_MESSAGES)
      for (const outcome of OUTCOMES) expect(series('notifications_total', { type, outcome })).toBe(0);
    for (const reason of ['claim', 'recreated', 'deletion']) expect(series('merges_total', { reason })).toBe(0);
    for (const act of ['subscribe', 'unsubscribe', 'confirm', 'opt_out'])
      expect(series('choices_total', { act })).toBe(0);
    for (const { name, type, samples } of families.values()) {
      if (!name.startsWith('onecontact_') || type !== 'counter') continue;
      if (name !== 'onecontact_database_errors_total') expect([name, samples.length > 0]).toEqual([name, true]);
    }
  });

  it('counts messages and batches, and times each stage', async () => {
    await publish(broker(), signup('one', ['x'], 1));
    await moves('messages_total', { ...newsletter, type: 'newsletter.subscribe', outcome: 'ok' });
    await moves('batch_messages', newsletter);
    for (const stage of STAGES) await moves('batch_stage_duration_seconds', { ...newsletter, stage });
    await moves('choices_total', { act: 'subscribe' });
    expect(sampled(await read(), 'onecontact_consumption_paused', newsletter)).toBe(0);
  });

  it('observes how far the service is behind the event, and behind the publish if its time is known', async () => {
    await moves('event_lag_seconds', newsletter);
    expect(sampled(await read(), 'onecontact_publish_lag_seconds')).toBeUndefined();
    const { exchange, key, body } = messageOf(signup('dated', ['x'], 1));
    await broker().send(exchange, key, [JSON.stringify(body)], { timestamp: Math.floor(Date.now() / 1000) - 7 });
    await moves('publish_lag_seconds', newsletter);
    const sum = (await read()).get('onecontact_publish_lag_seconds')?.samples.find(({ name }) => name.endsWith('_sum'));
    expect(sum?.value).toBeGreaterThanOrEqual(7);
    expect(sum?.value).toBeLessThan(60);
  });

  /** A queue that refuses messages; a deleted one would soon be declared again. */
  async function fillMailerQueue(): Promise<void> {
    const full = { 'x-queue-type': 'quorum', 'x-max-length': 1, 'x-overflow': 'reject-publish' };
    const binding = { exchange: CONTACT_EVENTS, pattern: 'contact.#' };
    await broker().queue(MAILER_QUEUE, { arguments: full, binding });
    const isRefused = () =>
      broker()
        .send('', MAILER_QUEUE, ['full'])
        .then(
          () => false,
          () => true,
        );
    await until(isRefused);
  }

  it('counts merges and their decisions on tokens and opt-outs, and shows undelivered notifications', async () => {
    await fillMailerQueue();
    await publish(broker(), acct('u', 'first', 1), signup('second', ['x'], 2), optout('second', 3));
    await eventually(
      async () => (await get(service, '/contacts/by-email/second@mail.test')).body,
      ({ opted_out }) => opted_out === true,
    );
    await eventually(
      async () => (await get(service, '/contacts/by-email/first@mail.test')).status,
      (status) => status === 200,
    );
    await publish(broker(), acct('u', 'second', 4));
    await moves('merges_total', { reason: 'claim' });
    await moves('collisions_total', { outcome: 'merged' });
    await moves('token_decisions_total', { policy: 'address' });
    await moves('opt_out_decisions_total', { why: 'only' });
    await moves('notifications_total', { type: 'contact.merged', outcome: 'nacked' });
    await eventually(
      async () => sampled(await read(), 'onecontact_outbox_messages') ?? 0,
      (pending) => pending >= 1,
    );
    await eventually(
      async () => sampled(await read(), 'onecontact_outbox_oldest_age_seconds') ?? 0,
      (age) => age > 0,
    );
  });

  it('counts dead letters, retries and database errors', async () => {
    await broker().send(NEWSLETTER_EVENTS, 'newsletter.subscribe', ['{']);
    await moves('dead_letters_total', { ...newsletter, reason: 'not_json' });
    expect(await broker().ready(DEAD_LETTERS)).toBe(1);
    await publish(broker(), signup('poison', ['x'], 1));
    await moves('retries_total', { ...newsletter, delay: '5s' });
    await moves('database_errors_total', { code: 'P0001', kind: 'permanent' });
  });

  it('counts reconnects, and pauses while the database is away; the outbox metrics are then absent', async () => {
    const [rabbit, postgres] = proxies as [TcpProxy, TcpProxy];
    const before = await read();
    for (const connection of ['consumer', 'publisher']) {
      expect(sampled(before, 'onecontact_broker_connected', { connection })).toBe(1);
      expect(sampled(before, 'onecontact_broker_blocked', { connection })).toBe(0);
    }
    expect(sampled(before, 'onecontact_database_up')).toBe(1);
    expect(sampled(before, 'onecontact_healthy', { check: 'database' })).toBe(1);
    await eventually(
      async () => sampled(await read(), 'onecontact_consuming', newsletter),
      (consuming) => consuming === 1,
    );
    rabbit.cut();
    for (const connection of ['consumer', 'publisher']) await moves('broker_reconnects_total', { connection });
    postgres.down();
    await publish(broker(), signup('later', ['x'], 1));
    await moves('pauses_total', { ...newsletter, reason: 'database_down' });
    await until(async () => sampled(await read(), 'onecontact_outbox_messages') === undefined);
    await moves('consumption_paused', newsletter);
    const away = await read();
    expect(sampled(away, 'onecontact_database_up')).toBe(0);
    for (const check of ['database', NEWSLETTER_QUEUE]) expect(sampled(away, 'onecontact_healthy', { check })).toBe(0);
    expect(sampled(away, 'onecontact_consuming', newsletter)).toBe(0);
    postgres.restore();
    await eventually(
      async () => sampled(await read(), 'onecontact_consumption_paused', newsletter),
      (paused) => paused === 0,
    );
    expect(sampled(await read(), 'onecontact_pauses_total', newsletter)).toBe(1);
  });

  it('counts queues that were declared again, and messages that were moved from the alternate exchange', async () => {
    await broker().deleteQueue(NEWSLETTER_QUEUE);
    await moves('topology_restored_total');
    const channel = await broker().channel();
    await channel.bindQueue(UNROUTED, NEWSLETTER_EVENTS, '#'); // what the policy does while no other queue is bound
    await publish(broker(), signup('moved', ['x'], 1));
    await moves('unrouted_recovered_total', newsletter);
  });

  it('says when compaction last came to its end', async () => {
    await moves('compaction_finished_timestamp_seconds');
    expect(sampled(await read(), 'onecontact_compacted_rows_total', { what: 'claims' })).toBe(0);
  });

  it('includes metrics of the process, of HTTP and of the build', async () => {
    await moves('http_request_duration_seconds', { route: '/metrics', status: '200' });
    expect(sampled(await read(), 'onecontact_build_info')).toBe(1);
    for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_cpu_seconds_total']) {
      expect((await read()).get(name)?.samples).toHaveLength(1);
    }
  });

  it('follows the conventions: help, units, suffixes, labels with few and impersonal values', async () => {
    const ours = [...(await read()).values()].filter(({ name }) => name.startsWith('onecontact_'));
    expect(ours.length).toBeGreaterThanOrEqual(20);
    for (const { name, help, type, samples } of ours) {
      expect(name).toMatch(/^onecontact_[a-z]+(_[a-z]+)*$/);
      expect(help.length).toBeGreaterThan(10);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(['counter', 'gauge', 'histogram']).toContain(type);
      expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|count|sum|bucket)$/);
      if (/duration|lag|age_/.test(name)) expect(name).toMatch(/_seconds$/);
      for (const { labels } of samples) {
        for (const [label, value] of Object.entries(labels)) {
          expect(LABELS[label] ? '' : `${name} has an unknown label ${label}`).toBe('');
          expect(value).toMatch(LABELS[label] as RegExp);
        }
      }
      const series = new Set(samples.map(({ labels: { le: _, ...rest } }) => JSON.stringify(rest)));
      expect(series.size).toBeLessThan(100);
    }
  });
});

describe('docs/operations.md and docs/scaling.md', () => {
  const docs = ['operations', 'scaling'].map((name) => readFileSync(join(__dirname, `../../docs/${name}.md`), 'utf8'));
  const names = async (): Promise<string[]> => {
    const { registry } = makeMetrics();
    measureRequests(fastify(), registry);
    return (await registry.getMetricsAsJSON()).map(({ name }) => name);
  };

  it('name every metric, and no other', async () => {
    const there = await names();
    const deployed = ['postgres/roles.sql', 'rabbitmq/permissions.json'].map((path) =>
      readFileSync(join(__dirname, '../../deploy', path), 'utf8'),
    );
    const roles = new Set(deployed.join('').match(/\bonecontact_[a-z]+/g));
    const named = (docs.join('').match(/\bonecontact_[a-z_]+/g) ?? []).filter((name) => !roles.has(name));
    const bare = named.map((name) => (there.includes(name) ? name : name.replace(/_(bucket|sum|count)$/, '')));
    expect([...new Set(bare)].sort()).toEqual([...there].sort());
  });
});

/** Every label that we use, and its possible values: our own words and codes, never received text. */
const LABELS: Record<string, RegExp> = {
  le: /^(\+Inf|[\d.]+)$/,
  queue: /^contacts\.(fxa|newsletter)$/,
  check: /^([a-z-]+|contacts\.(fxa|newsletter))$/,
  type: /^[\w:.-]{1,40}$/,
  outcome: /^[a-z]+$/,
  what: /^[a-z]+$/,
  stage: /^[a-z]+$/,
  delay: /^\d+[sm]$/,
  reason: /^[a-z_]+$/,
  policy: /^(address|account)$/,
  why: /^[a-z_]+$/,
  act: /^[a-z_]+$/,
  field: /^[A-Za-z_]+$/,
  connection: /^(consumer|publisher|intake)$/,
  code: /^\w{1,40}$/,
  kind: /^(down|busy|slow|transient|permanent)$/,
  key: /^[\w.-]{1,64}$/,
  route: /^(none|[\w/:-]+)$/,
  status: /^\d{3}$/,
  version: /^[\w.-]*$/,
  commit: /^[0-9a-f]*$/,
};
