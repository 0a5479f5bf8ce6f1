import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

/** Measures every request by the pattern of its route, because paths contain addresses and tokens. */
export function measureRequests(app: FastifyInstance, metrics: Registry): void {
  const seconds = new Histogram({
    name: 'onecontact_http_request_duration_seconds',
    help: 'Time to answer a request, by route, status and the name of the key',
    labelNames: ['route', 'status', 'key'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [metrics],
  });
  app.addHook('onResponse', async (request, reply) => {
    const labels = { route: request.routeOptions.url ?? 'none', status: reply.statusCode, key: request.keyName };
    seconds.observe(labels, reply.elapsedTime / 1_000);
  });
}
