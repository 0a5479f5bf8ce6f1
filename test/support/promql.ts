/** What a PromQL expression names. Enough for the expressions of `deploy/`; Prometheus itself checks their syntax. */
import fastify from 'fastify';
import type { Registry } from 'prom-client';
import { measureRequests } from '../../src/http/measure';
import { makeMetrics } from '../../src/observability/metrics';
import { observeProcess } from '../../src/observability/observe-service';

/** Of each metric, its labels. */
export type Known = ReadonlyMap<string, ReadonlySet<string>>;

/** Prometheus adds these to each series. */
const ADDED = ['job', 'instance'];

/** RabbitMQ's metrics at /metrics/per-object that `deploy/` uses; test/infra/prometheus.test.ts compares them. */
export const RABBITMQ: Readonly<Record<string, readonly string[]>> = {
  rabbitmq_queue_messages_ready: ['vhost', 'queue'],
  rabbitmq_queue_messages_unacked: ['vhost', 'queue'],
  rabbitmq_global_messages_unroutable_dropped_total: ['protocol'],
};

/** All metrics that `/metrics` of a service can have, those of RabbitMQ that are used, and Prometheus' own `up`. */
export function knownMetrics(): Known {
  const metrics = makeMetrics();
  observeProcess(metrics, { version: '', commit: '' });
  measureRequests(fastify(), metrics.registry);
  const known = new Map([['up', new Set(ADDED)]]);
  for (const [name, labels] of Object.entries(RABBITMQ)) known.set(name, new Set([...labels, ...ADDED]));
  for (const { name, type, labelNames } of metricsOf(metrics.registry)) {
    const labels = [...labelNames, ...ADDED];
    known.set(name, new Set(labels));
    if (type !== 'histogram') continue;
    for (const part of ['sum', 'count']) known.set(`${name}_${part}`, new Set(labels));
    known.set(`${name}_bucket`, new Set([...labels, 'le']));
  }
  return known;
}

interface Declared {
  name: string;
  type: string;
  labelNames: readonly string[];
}

/** prom-client's types leave out the fields that say what a metric is. */
const metricsOf = (registry: Registry): Declared[] =>
  registry.getMetricsAsArray().map((metric) => {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] };
    return { name, type: metric.constructor.name.toLowerCase(), labelNames };
  });

const SELECTOR = /(?<![\w:"./])((?:onecontact|rabbitmq|process|nodejs)_\w+|up(?=\{))(?:\{([^}]*)\})?/g;
const MATCHER = /([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"/g;
const GROUPING = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g;

/** @returns a sentence for each metric or label that does not exist */
export function unknownIn(expression: string, known: Known): string[] {
  const problems: string[] = [];
  const labelsOfAll = new Set<string>();
  for (const [, name = '', matchers = ''] of expression.matchAll(SELECTOR)) {
    const labels = known.get(name);
    if (!labels) problems.push(`there is no metric ${name}`);
    for (const label of labels ?? []) labelsOfAll.add(label);
    for (const [, label = ''] of matchers.matchAll(MATCHER))
      if (labels && !labels.has(label)) problems.push(`${name} has no label ${label}`);
  }
  if (labelsOfAll.size === 0) problems.push(`no metric in ${expression}`);
  for (const [, list = ''] of expression.matchAll(GROUPING))
    for (const label of list.split(',').map((it) => it.trim()))
      if (label !== '' && !labelsOfAll.has(label)) problems.push(`no metric of the expression has a label ${label}`);
  return problems;
}
