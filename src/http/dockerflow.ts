import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Health } from '../observability/health';
import { readVersion, type Version } from './version';

export interface DockerflowOptions {
  health: Pick<Health, 'read'> & Partial<Pick<Health, 'hints'>>;
  /** @default the version of this checkout, image or package */
  version?: Version;
  metrics: Registry;
}

/** Dockerflow's level for an error. */
const ERROR = 40;

/** Dockerflow's `/__heartbeat__`, `/__lbheartbeat__` and `/__version__`, and `/metrics`. */
export async function dockerflowRoutes(app: FastifyInstance, options: DockerflowOptions): Promise<void> {
  const { health, version = readVersion(), metrics } = options;

  app.get('/__lbheartbeat__', async () => ({}));
  app.get('/__version__', async () => version);
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));

  app.get('/__heartbeat__', async (_request, reply) => {
    const parts = [...(await health.read())];
    const failed = parts.filter(([, problems]) => problems.length > 0);
    const statusOf = (problems: readonly unknown[]) => (problems.length === 0 ? 'ok' : 'error');
    reply.code(failed.length === 0 ? 200 : 500).header('cache-control', 'no-store');
    const hints = health.hints?.() ?? [];
    return {
      status: statusOf(failed),
      checks: Object.fromEntries(parts.map(([name, problems]) => [name, statusOf(problems)])),
      details: Object.fromEntries(failed.map(([name, problems]) => [name, detail(name, problems)])),
      ...(hints.length > 0 && { hints }),
    };
  });
}

const detail = (name: string, problems: readonly string[]) => ({
  status: 'error',
  level: ERROR,
  messages: { [`onecontact.${name}`]: problems.join(' ') },
});
