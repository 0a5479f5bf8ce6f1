/** Starts the console as a part of the service. */
import { chmod, stat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { apiKeys, brokerUrl, type ConfigFor } from '../config';
import { observer } from '../contacts/merge/rollout';
import { OperatorError } from '../foundation/operator-error';
import { connectedTo } from '../operations/servers';
import type { Database } from '../postgres/database';
import type { ConsoleContext } from './frame/context';
import { makeConsole } from './server';

type ConsoleConfig = ConfigFor<'console' | 'http' | 'merging' | 'erasure' | 'erasureList'> &
  Partial<ConfigFor<'broker'>>;

interface Wiring {
  db: Database;
  log: Logger;
  /** What must be closed, in reverse order. */
  closing: (() => Promise<unknown>)[];
}

/**
 * Listens once it can: call it last.
 *
 * @returns where browsers find the console
 * @throws OperatorError if no operator could sign in, or if it cannot listen
 */
export async function startConsole(config: ConsoleConfig, { db, log, closing }: Wiring): Promise<string> {
  const keys = apiKeys(config, log);
  const { consoleTrustHeader: trustHeader, consoleOrigin } = config;
  if (trustHeader === null && !keys.value.some(({ scopes }) => scopes.has('operate'))) {
    throw new OperatorError(
      'No operator could sign in to the console: add a key with the scope operate to API_KEYS_FILE, or set CONSOLE_TRUST_HEADER.',
    );
  }
  const unwatch = keys.watch();
  closing.push(async () => unwatch());
  const server = makeConsole(contextOf(config, db, log), { keys, trustHeader, origin: consoleOrigin });
  closing.push(() => server.close());
  const url = await listen(server, config);
  log.info({ url: consoleOrigin ?? url }, 'console is listening');
  return consoleOrigin ?? url;
}

function contextOf(config: ConsoleConfig, db: Database, log: Logger): ConsoleContext {
  const { tokenPolicy, notifyChanges: changes, notifyConfirmations: confirmations, erasureKey, erasureList } = config;
  const { amqpUrl, amqpUrlFile = null } = config;
  const broker = amqpUrl === undefined ? null : brokerUrl({ amqpUrl, amqpUrlFile }, log);
  return {
    db,
    withBroker: broker && ((work) => connectedTo(broker, 'onecontact console', work)),
    apply: { tokenPolicy, observes: observer(config), notify: { changes, confirmations } },
    erasureKey,
    erasureList,
    log,
  };
}

/** Only the owner and the group of the socket's file may use the console. */
const SOCKET_MODE = 0o660;

/** Whether the socket was left by a process that was killed: nothing listens on it any more. */
const isLeftOver = async (path: string): Promise<boolean> => {
  if (!(await stat(path).catch(() => null))?.isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    }).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
};

/** @returns the address; of a socket, that of the file */
async function listen(server: FastifyInstance, config: ConfigFor<'console'>): Promise<string> {
  const { consoleHost: host, consolePort: port, consoleSocket: path } = config;
  try {
    if (path === null) return await server.listen({ host, port });
    if (await isLeftOver(path)) await unlink(path);
    await server.listen({ path });
    await chmod(path, SOCKET_MODE);
    return `unix:${path}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (path !== null) {
      const advice = code === 'EADDRINUSE' ? 'another process or file is there' : 'check its path';
      throw new OperatorError(`The console cannot listen at CONSOLE_SOCKET (${code}): ${advice}.`);
    }
    throw new OperatorError(
      code === 'EADDRINUSE'
        ? `Port ${port} of ${host} is already in use: set CONSOLE_PORT to another port.`
        : `The console cannot listen at ${host}, port ${port} (${code}): check CONSOLE_HOST and CONSOLE_PORT.`,
    );
  }
}
