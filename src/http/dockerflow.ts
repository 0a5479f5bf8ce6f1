import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { within } from '../foundation/timeout';
import { failureOf } from '../postgres/errors';
import { readVersion, type Version } from './version';

/** Checks of the dependencies; each rejects when its dependency does not work. */
export interface Health {
  database(): Promise<void>;
  broker(): Promise<void>;
}

export interface DockerflowOptions {
  health: Health;
  /** @default the version of this checkout, image or package */
  version?: Version;
  metrics: Registry;
}

/** Load balancers time out after some seconds: answer earlier, even if a dependency hangs. */
const CHECK_MS = 4_000;

/** Dockerflow's level for an error. */
const ERROR = 40;

/** Dockerflow's `/__heartbeat__`, `/__lbheartbeat__` and `/__version__`, and `/metrics`. */
export async function dockerflowRoutes(app: FastifyInstance, options: DockerflowOptions): Promise<void> {
  const { health, version = readVersion(), metrics } = options;

  app.get('/__lbheartbeat__', async () => ({}));
  app.get('/__version__', async () => version);
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));

  // The route needs no key, so concurrent requests share one check of the dependencies.
  let checking: Promise<[string | null, string | null]> | undefined;
  const check = () => {
    checking ??= Promise.all([problemOf(health.database()), problemOf(health.broker())]).finally(() => {
      checking = undefined;
    });
    return checking;
  };

  app.get('/__heartbeat__', async (_request, reply) => {
    const [database, broker] = await check();
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

/** Null when the check passes, otherwise a code: the message might reveal a host or a user name. */
async function problemOf(check: Promise<void>): Promise<string | null> {
  const done = check.then(
    () => null,
    (error: unknown) => failureOf(error).code,
  );
  return within(CHECK_MS, done, `no answer within ${CHECK_MS} ms`);
}
