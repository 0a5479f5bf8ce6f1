import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { type ApiKey, NO_KEY } from '../foundation/api-keys';
import type { Database } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import { busy, failed, noSuchPage, refused, userNotFound } from './answers';
import { type RequireScope, scopeChecks } from './authorise';
import { changesRoute } from './changes';
import { contactRoutes } from './contacts';
import { type DockerflowOptions, dockerflowRoutes } from './dockerflow';
import { measureRequests } from './measure';
import { preferencesRoutes } from './preferences';

export interface ServerOptions extends DockerflowOptions {
  /**
   * Connections for look-ups, and others for histories, which must not hold up look-ups; null in a process that serves
   * neither.
   */
  contacts: { db: Database; historyDb: Database } | null;
  /** Connections for preference pages, which need no key; null if they are not offered. @default null */
  preferences?: { db: Database } | null;
  /** Proxies whose `X-Forwarded-For` names the client: addresses, networks or their names. @default null: none */
  trustedProxies?: readonly string[] | null;
  /** Adds the endpoints of another part of the process. */
  routes?: ((app: FastifyInstance, requireScope: RequireScope) => void) | undefined;
  /** Connections for the change feed, which must not hold up look-ups; without them it is not served. */
  feedDb?: Database | undefined;
  log: Logger;
  /** The current keys; look-ups require one. Empty only if no other host can reach the server. */
  keys: { readonly value: readonly ApiKey[] };
  /** Concurrent look-ups; further ones are answered 503. @default 100: four database connections do these in a second */
  maxLookUps?: number;
  /** Concurrent histories; further ones are answered 503. @default 20 */
  maxHistories?: number;
  /** Concurrent look-ups of many contacts; further ones are answered 503. @default 8 */
  maxListLookUps?: number;
  /** Concurrent preferences; further ones are answered 503. @default 50 */
  maxPreferences?: number;
  /** Requests for preferences per minute from one client address, behind trusted proxies. @default 60 */
  preferencesPerMinute?: number;
  /** Concurrent pages of the change feed; further ones are answered 503. @default 4: each may have 500 contacts in memory */
  maxPages?: number;
}

/** Longer than the statement timeout, so that a slow answer is not cut off. */
const IDLE_MS = 40_000;
/** The time a client has to send its request. */
const REQUEST_MS = 10_000;
/** The longest percent-encoded address; a longer key is unknown. */
const MAX_KEY = 1_600;
/** Larger paths and headers are answered 431: a look-up needs only a key and a bearer token. */
const MAX_HEADER_BYTES = 8_192;
/** Bounds memory, far above what a front end keeps open; Node closes further connections without an answer. */
const MAX_CONNECTIONS = 1_000;
const MAX_LOOK_UPS = 100;
const MAX_HISTORIES = 20;
const MAX_LIST_LOOK_UPS = 8;
const MAX_PAGES = 4;
const MAX_PREFERENCES = 50;
const PREFERENCES_PER_MINUTE = 60;
/** The limit for requests without a route of their own. A route that accepts larger bodies says so. */
const MAX_BODY_BYTES = 1_024;

/**
 * The HTTP server: health and metrics, look-ups of contacts, preferences if they are offered, and what other parts add.
 *
 * Paths contain addresses and tokens, so Fastify has no logger: the only line logged here names the route's pattern.
 * After `listen`, `close()` lets running requests finish and answers new ones 503.
 */
export function makeServer(options: ServerOptions) {
  const { contacts, feedDb, preferences = null, trustedProxies = null, log, keys } = options;
  const { maxLookUps = MAX_LOOK_UPS, maxHistories = MAX_HISTORIES, maxListLookUps = MAX_LIST_LOOK_UPS } = options;
  const { maxPages = MAX_PAGES } = options;
  const requireScope = scopeChecks(keys);
  const mayRead = requireScope('read');
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: trustedProxies ? [...trustedProxies] : false,
    connectionTimeout: IDLE_MS,
    requestTimeout: REQUEST_MS,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_KEY },
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    // A path that cannot be decoded reaches no route, so this answers as the route would answer a malformed key.
    frameworkErrors: (_error, request, raw) => {
      const reply = raw as FastifyReply;
      if (preferences !== null && request.raw.url?.startsWith('/preferences/')) return void userNotFound(reply);
      if (contacts === null || !request.raw.url?.startsWith('/contacts/')) return void noSuchPage(reply);
      void mayRead(request, reply).then((refusal) => refusal ?? userNotFound(reply));
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return void socket.destroy();
      const status = CLIENT_ERRORS[(error as { code?: string }).code ?? ''] ?? '400 Bad Request';
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.setNotFoundHandler((_request, reply) => noSuchPage(reply));
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    const { statusCode = 500 } = error;
    if (statusCode < 500) return request.is404 ? noSuchPage(reply) : refused(reply, statusCode);
    const { kind, code } = failureOf(error);
    log.error({ route: request.routeOptions.url, code }, 'request failed');
    if (kind !== 'permanent') return busy(reply);
    return failed(reply);
  });
  app.decorateRequest('keyName', NO_KEY);
  app.decorateRequest('scopes');
  closeAfterLastAnswer(app);
  closeUnused(app);
  measureRequests(app, options.metrics);
  if (contacts !== null) {
    const histories = { db: contacts.historyDb, max: maxHistories };
    const limits = { maxLookUps, maxListLookUps, histories };
    void app.register(contactRoutes, { prefix: '/contacts', db: contacts.db, requireScope, ...limits });
  }
  if (feedDb !== undefined) void app.register(changesRoute, { db: feedDb, requireScope, maxPages });
  if (preferences !== null) {
    const { maxPreferences = MAX_PREFERENCES, preferencesPerMinute = PREFERENCES_PER_MINUTE } = options;
    // Without a trusted proxy, a proxy in front would seem to be the only client.
    const perMinute = trustedProxies ? preferencesPerMinute : null;
    void app.register(preferencesRoutes, {
      prefix: '/preferences',
      db: preferences.db,
      max: maxPreferences,
      perMinute,
    });
  }
  options.routes?.(app, requireScope);
  void app.register(dockerflowRoutes, options);
  return app;
}

/** Clients keep connections open after an answer. Without this, the close would wait for clients that got an answer meanwhile. */
function closeAfterLastAnswer(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
}

/** How long a connection without a request may still send one once the server closes. */
const UNUSED_MS = 500;

/**
 * Clients open connections ahead of their requests, and proxies keep some ready. Node does not count a connection that never
 * had a request as idle: without this, the close would wait for it.
 */
function closeUnused(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  app.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', async () => {
    setTimeout(() => {
      for (const socket of unused) socket.destroy();
    }, UNUSED_MS).unref();
  });
}

/** Status lines for input that Node cannot parse as a request. */
const CLIENT_ERRORS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
