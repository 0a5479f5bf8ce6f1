import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { within } from '../foundation/timeout';
import { failureOf } from '../postgres/errors';
import { readVersion, type Version } from './version';

/** What the service cannot work without; each rejects when it does not answer. */
export interface Health {
  database(): Promise<void>;
  broker(): Promise<void>;
}

export interface DockerflowOptions {
  health: Health;
  /** @default that of this checkout, image or package */
  version?: Version;
  metrics: Registry;
}

/** Load balancers give up after some seconds: answer before, also when a dependency hangs. */
const CHECK_MS = 4_000;

/** Dockerflow's level of an error. */
const ERROR = 40;

/** `/__heartbeat__`, `/__lbheartbeat__`, `/__version__` as Dockerflow's users know them, and `/metrics`. */
export async function dockerflowRoutes(app: FastifyInstance, options: DockerflowOptions): Promise<void> {
  const { health, version = readVersion(), metrics } = options;

  app.get('/__lbheartbeat__', async () => ({}));
  app.get('/__version__', async () => version);
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));

  // Anybody may ask, as often as they like: all who wait share one look at the dependencies.
  let looking: Promise<[string | null, string | null]> | undefined;
  const look = () => {
    looking ??= Promise.all([problemOf(health.database()), problemOf(health.broker())]).finally(() => {
      looking = undefined;
    });
    return looking;
  };

  app.get('/__heartbeat__', async (_request, reply) => {
    const [database, broker] = await look();
    const problems = Object.entries({ database, broker });
    const failed = problems.filter(([, problem]) => problem !== null);
    const status = failed.length === 0 ? 'ok' : 'error';
    reply.code(status === 'ok' ? 200 : 500).header('cache-control', 'no-store');
    return {
      status,
      checks: Object.fromEntries(problems.map(([name, problem]) => [name, problem === null ? 'ok' : 'error'])),
      details: Object.fromEntries(failed.map(([name, problem]) => [name, detail(name, problem as string)])),
    };
  });
}

const detail = (name: string, problem: string) => ({
  status: 'error',
  level: ERROR,
  messages: { [`onecontact.${name}`]: `cannot be used: ${problem}` },
});

/** Null when the check passes; else a code, never a message: that may hold what nobody may see. */
async function problemOf(check: Promise<void>): Promise<string | null> {
  const done = check.then(
    () => null,
    (error: unknown) => failureOf(error).code,
  );
  return within(CHECK_MS, done, `no answer within ${CHECK_MS} ms`);
}
