import { apiKeys } from '../config';
import { isLoopback } from '../foundation/hosts';
import { OperatorError } from '../foundation/operator-error';
import { makeServer } from '../http/server';
import { IssuerKeys } from '../intake/issuer-keys';
import { type IntakeOptions, intakeRoutes } from '../intake/routes';
import type { Database } from '../postgres/database';
import type { Publisher } from '../rabbitmq/publishing/publisher';
import type { StartConfig, Wiring } from './wiring';

/** Look-ups have a pool of their own, so that they cannot hold up the workers, however many there are. */
const LOOK_UP_CONNECTIONS = 4;
/** Histories have another pool: one history reads many rows, and must not hold up look-ups. */
const HISTORY_CONNECTIONS = 2;
/** The change feed has another pool, because a page has many contacts. */
const FEED_CONNECTIONS = 2;
/** Preference pages need no key, so any client may ask for them: they must not hold up requests that have one. */
const PREFERENCES_CONNECTIONS = 2;

/**
 * Serves health and metrics, and what the parts `http` and `intake` add, if they run.
 *
 * @param intake publishes events that are sent over HTTP; null if none are accepted
 * @returns the address of the server, and the pool for look-ups
 * @throws OperatorError
 */
export async function serveHttp(
  config: StartConfig,
  intake: Publisher | null,
  wiring: Wiring,
): Promise<{ url: string; lookUps: Database | null }> {
  const { httpHost: host, httpPort: port, trustedProxies } = config;
  const { health, metrics, log, closing } = wiring;
  const pools = openPools(config, wiring);
  const routes = intake ? intakeRoutes(intakeOptions(config, intake, wiring)) : undefined;
  const keys = apiKeys(config, log);
  if ((pools.contacts !== null || routes) && keys.value.length === 0 && !isLoopback(host)) {
    throw new OperatorError(
      `HTTP at ${host} would be open to everyone: set API_KEY, API_KEYS_FILE, or a loopback HTTP_HOST.`,
    );
  }
  const unwatch = keys.watch();
  closing.push(async () => unwatch());
  if (config.apiKeysFile !== null) health.watch('api-keys', keys);
  const server = makeServer({ ...pools, routes, trustedProxies, log, keys, health, metrics: metrics.registry });
  closing.push(() => server.close());
  const url = await server.listen({ host, port }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new OperatorError(
      code === 'EADDRINUSE'
        ? `Port ${port} of ${host} is already in use: set HTTP_PORT to another port; each process needs its own.`
        : `HTTP cannot listen at ${host}, port ${port} (${code}): check HTTP_HOST and HTTP_PORT.`,
    );
  });
  log.info({ url }, 'HTTP is listening');
  return { url, lookUps: pools.contacts?.db ?? null };
}

function openPools({ publicPreferences }: StartConfig, { only, open }: Wiring) {
  if (!only.includes('http')) return { contacts: null };
  return {
    contacts: {
      db: open({ name: 'onecontact http', max: LOOK_UP_CONNECTIONS }),
      historyDb: open({ name: 'onecontact histories', max: HISTORY_CONNECTIONS }),
    },
    feedDb: open({ name: 'onecontact change feed', max: FEED_CONNECTIONS }),
    preferences: publicPreferences
      ? { db: open({ name: 'onecontact preferences', max: PREFERENCES_CONNECTIONS }) }
      : null,
  };
}

/** What the part `intake` publishes with, and whose tokens it accepts. */
function intakeOptions(config: StartConfig, publisher: Publisher, wiring: Wiring): IntakeOptions {
  const { accountsIssuer: issuer, accountsAudience: audience, accountsJwksUrl: url } = config;
  const { health, metrics, log, closing } = wiring;
  if (issuer === null || audience === null || url === null) return { publisher, metrics, log, accounts: null };
  const keys = new IssuerKeys({ url, log });
  closing.push(async () => keys.close());
  health.watch('accounts', keys);
  // If it fails, the health check says so.
  keys.read().catch(() => undefined);
  return { publisher, metrics, log, accounts: { expected: { issuer, audience }, keys } };
}
