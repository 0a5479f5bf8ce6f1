/** A pool of sessions on the first server of DATABASE_URL that can be used. */
import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient, type PoolConfig } from 'pg';
import { Secret } from '../foundation/secret';
import { ask, pin, pinning, type ServerState, type SessionOptions, UnusableSession } from './session';
import { type DatabaseTarget, readDatabaseUrl, type Server } from './url';

export interface PoolOptions extends SessionOptions {
  url: string | Secret;
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** The maximum number of connections. */
  max: number;
  /** How long an answer may take; absent for no limit. */
  answerTimeoutMs?: number | undefined;
}

/** How long all servers together may take to connect: less than a transaction waits for a connection. */
const CONNECT_MS = 5_000;
const CONNECT_ONE_OF_SEVERAL_MS = 3_000;

/**
 * The server refuses the session, or what the session has prepared: it is read-only, shutting down or no longer accepts the
 * login; a pooler has changed the connection behind it; the schema has changed. A new session may work.
 */
const SESSION_IS_LOST = /^(25006|25P02|57P0.|28...|26000|42P05|0A000|08P01)$/;

/** The SQLSTATEs with which a server refuses a user, a password, a database, or the right to connect to it. */
const REFUSED = /^(28|3D000|42501)/;

/** Where the URL leads, and which of its servers is used. All sessions of a pool move on together. */
class Servers {
  #place = 0;
  #text: string | undefined;
  #target: DatabaseTarget | undefined;

  constructor(private readonly url: Secret) {}

  /**
   * The URL may come from a file that was read again. If the new URL cannot be used, the old one stays, and the server
   * refuses it again: that way no message is blamed.
   */
  get target(): DatabaseTarget {
    const text = this.url.value;
    if (this.#target === undefined) this.#target = readDatabaseUrl(text);
    else if (text !== this.#text) this.#target = this.#readOrKeep(text, this.#target);
    this.#text = text;
    return this.#target;
  }

  #readOrKeep(text: string, old: DatabaseTarget): DatabaseTarget {
    try {
      const target = readDatabaseUrl(text);
      this.#place = 0;
      return target;
    } catch {
      return old;
    }
  }

  get count(): number {
    return this.target.servers.length;
  }

  get current(): Server {
    return this.target.servers[this.#place] as Server;
  }

  refused(error: { code?: unknown }): void {
    if (REFUSED.test(String(error.code))) this.url.readAgain();
  }

  /** Several sessions may report the same server. */
  leave(server: Server): void {
    if (server === this.current) this.#place = (this.#place + 1) % this.count;
  }
}

/** What exists in `pg` but is missing in its types. */
interface Internals {
  connection: NodeJS.EventEmitter;
  connectionParameters: { user: string; database: string; application_name: string };
  processID: number;
}

export function openPool(options: PoolOptions): Pool {
  const servers = new Servers(Secret.of(options.url));
  const statements = pinning(options);

  /** One connection. A lost session ends by itself, because the driver adapter returns it to the pool without its error. */
  class Session extends Client {
    constructor(
      config: ClientConfig,
      readonly server = servers.current,
    ) {
      super({ ...config, ...server, ...loginOf(servers.target) });
      internals(this).connection.on('errorMessage', ({ code }: { code?: string }) => {
        if (SESSION_IS_LOST.test(code ?? '')) void this.end();
      });
    }

    override connect(): Promise<Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<Client> | undefined {
      if (callback === undefined) return super.connect();
      super.connect((error: Error | null) => {
        if (error) {
          servers.refused(error as { code?: unknown });
          servers.leave(this.server);
        }
        callback(error as Error);
      });
    }

    /** Sends no settings at start: poolers refuse them, and the environment (PGOPTIONS) could add some. */
    getStartupConf(): object {
      const { user, database, application_name } = internals(this).connectionParameters;
      return { user, database, application_name };
    }
  }

  let pooler: Promise<void> | undefined;
  const onConnect = async (session: Session): Promise<void> => {
    try {
      const { pid } = await pin(session, options, statements);
      const isPooled = pid !== internals(session).processID;
      if (isPooled) {
        pooler ??= refuseTransactionPooling(session, pid, new Session(config, session.server));
        await pooler;
      }
    } catch (error) {
      pooler = undefined;
      servers.leave(session.server);
      throw error;
    }
  };

  const config: PoolConfig = {
    application_name: options.name,
    max: options.max,
    connectionTimeoutMillis:
      servers.target.connectTimeoutMs ?? (servers.count > 1 ? CONNECT_ONE_OF_SEVERAL_MS : CONNECT_MS),
    ...(options.answerTimeoutMs !== undefined && { query_timeout: options.answerTimeoutMs }),
    // If the host name now leads to another server, the pool follows within a minute, even if no connection breaks.
    maxLifetimeSeconds: 60,
    // Without these, a connection that the network silently dropped would never be noticed.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    Client: Session as unknown as NonNullable<PoolConfig['Client']>,
    onConnect: onConnect as unknown as NonNullable<PoolConfig['onConnect']>,
  };
  const pool = new ServersPool(config, servers);
  pool.on('remove', () => {
    if (pool.totalCount === 0) pooler = undefined; // a pooler may come back with other settings
  });
  return pool;
}

const internals = (client: Client): Internals => client as unknown as Internals;

/** Tries each server once before it fails. */
class ServersPool extends Pool {
  constructor(
    config: PoolConfig,
    private readonly servers: Servers,
  ) {
    super(config);
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    const connecting = this.#connect();
    if (callback === undefined) return connecting;
    connecting.then(
      (client) => callback(undefined, client, client.release),
      (error) => callback(error, undefined, () => undefined),
    );
  }

  async #connect(): Promise<PoolClient> {
    for (let tried = 1; ; tried++) {
      try {
        return await super.connect();
      } catch (error) {
        if (isPoolBusy(error) || tried >= this.servers.count) throw error;
      }
    }
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (error?: boolean | Error) => void,
) => void;

/** All connections were in use for too long: the server is not at fault. */
const isPoolBusy = (error: unknown): boolean =>
  error instanceof Error && error.message === 'timeout exceeded when trying to connect';

interface Tls {
  sslNegotiation: 'direct' | 'postgres';
}

/** The files of certificates are read for each connection, so that they can be renewed. */
function loginOf({ user, password, database, tls }: DatabaseTarget): ClientConfig {
  const { ssl, sslNegotiation } = new Client({ connectionString: `postgresql://localhost/?${tls}` }) as Client & Tls;
  return {
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    ...(tls !== '' && { ssl, sslnegotiation: sslNegotiation }),
  };
}

/**
 * Behind a pooler, checks whether the session loses its connection to the server while another session is in a transaction.
 *
 * @throws UnusableSession if the pooler does not pool sessions. A pooler that has no second connection now is not refused.
 */
async function refuseTransactionPooling(session: Client, pid: number, other: Client): Promise<void> {
  other.on('error', () => undefined);
  try {
    const theirs = await pidInTransaction(other);
    if (theirs === undefined) return;
    if (theirs === pid) throw new UnusableSession('transaction_pooling');
    const ours = await ask<Pick<ServerState, 'pid'>>(session, 'SELECT pg_backend_pid() AS pid');
    if (ours.pid !== pid) throw new UnusableSession('transaction_pooling');
  } finally {
    await other.end().catch(() => undefined);
  }
}

/** Leaves the transaction open. Returns undefined if the pooler has no connection for it now. */
async function pidInTransaction(client: Client): Promise<number | undefined> {
  try {
    await client.connect();
    return (await ask<Pick<ServerState, 'pid'>>(client, 'BEGIN; SELECT pg_backend_pid() AS pid')).pid;
  } catch (error) {
    // PgBouncer has no error code of its own for this.
    const poolsStatements = error instanceof DatabaseError && error.message.includes('statement pooling');
    if (poolsStatements) throw new UnusableSession('transaction_pooling');
    return undefined;
  }
}
