import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Health, PartState } from '../observability/health';
import { readVersion, type Version } from './version';

export interface DockerflowOptions {
  health: Pick<Health, 'read'>;
  /** @default the version of this checkout, image or package */
  version?: Version;
  metrics: Registry;
}

/** Dockerflow's levels. */
const LEVELS = { error: 40, warning: 30 } as const;

/** Where to look, for a person who opens the address of the service. */
const LINKS = {
  health: '/__heartbeat__',
  version: '/__version__',
  metrics: '/metrics',
  reference: 'docs/reference/http.md',
  openapi: 'contracts/openapi.json',
};

/** The front page, Dockerflow's `/__heartbeat__`, `/__lbheartbeat__` and `/__version__`, and `/metrics`. */
export async function dockerflowRoutes(app: FastifyInstance, options: DockerflowOptions): Promise<void> {
  const { health, version = readVersion(), metrics } = options;

  app.get('/', async () => ({
    name: 'OneContact',
    description: 'One contact record per person. Paths without a leading slash are files of its sources.',
    version: version.version,
    links: LINKS,
  }));
  app.get('/__lbheartbeat__', async () => ({}));
  app.get('/__version__', async () => version);
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));

  app.get('/__heartbeat__', async (_request, reply) => {
    const parts = [...(await health.read())];
    const statuses = parts.map(([, state]) => statusOf(state));
    const status = (['error', 'warning'] as const).find((worst) => statuses.includes(worst)) ?? 'ok';
    reply.code(status === 'error' ? 500 : 200).header('cache-control', 'no-store');
    return {
      status,
      checks: Object.fromEntries(parts.map(([name], place) => [name, statuses[place]])),
      details: Object.fromEntries(parts.flatMap(([name, state]) => detailOf(name, state))),
    };
  });
}

function statusOf({ problems, hints }: PartState): 'ok' | keyof typeof LEVELS {
  if (problems.length > 0) return 'error';
  return hints.length > 0 ? 'warning' : 'ok';
}

function detailOf(name: string, state: PartState) {
  const status = statusOf(state);
  if (status === 'ok') return [];
  const messages = { [`onecontact.${name}`]: [...state.problems, ...state.hints].join(' ') };
  return [[name, { status, level: LEVELS[status], messages }] as const];
}
