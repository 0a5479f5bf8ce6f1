import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { Database } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import { busy, failed, noSuchPage, notAuthorised, userNotFound } from './answers';
import { bearerCheck } from './authorise';
import { contactRoutes } from './contacts';
import { type DockerflowOptions, dockerflowRoutes } from './dockerflow';
import { measureRequests } from './measure';

export interface ServerOptions extends DockerflowOptions {
  /** For look-ups; null in a process that does not offer them. */
  db: Database | null;
  log: Logger;
  /** The bearer token that look-ups require; null for none, only where no other host can reach the server. */
  apiKey: string | null;
  /** Concurrent look-ups; further ones are answered 503. @default 100: four database connections do these in a second */
  maxLookUps?: number;
}

/** Longer than the statement timeout, so that a slow answer is not cut off. */
const IDLE_MS = 40_000;
/** The time a client has to send its request, which has no body. */
const REQUEST_MS = 10_000;
/** The longest percent-encoded address; a longer key is unknown. */
const MAX_KEY = 1_600;
/** Larger paths and headers are answered 431: a look-up needs only a key and a bearer token. */
const MAX_HEADER_BYTES = 8_192;
/** Bounds memory, far above what a front end keeps open; Node closes further connections without an answer. */
const MAX_CONNECTIONS = 1_000;
const MAX_LOOK_UPS = 100;

/**
 * The read-only HTTP server: health and metrics, and look-ups of contacts where they are offered.
 *
 * Paths contain addresses and tokens, so Fastify has no logger: the only line logged here names the route's pattern.
 * After `listen`, `close()` lets running requests finish and answers new ones 503.
 */
export function makeServer({ db, log, apiKey, maxLookUps = MAX_LOOK_UPS, ...dockerflow }: ServerOptions) {
  const mayRead = apiKey === null ? () => true : bearerCheck(apiKey);
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: 1_024,
    connectionTimeout: IDLE_MS,
    requestTimeout: REQUEST_MS,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_KEY },
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    // A path that cannot be decoded reaches no route: answer as the route would answer a malformed key.
    frameworkErrors: (_error, request, raw) => {
      const reply = raw as FastifyReply;
      if (db === null || !request.raw.url?.startsWith('/contacts/')) return void noSuchPage(reply);
      void (mayRead(request.headers.authorization) ? userNotFound(reply) : notAuthorised(reply));
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
    // A body that is too large or of an unknown type: no route takes one.
    if (error.statusCode !== undefined && error.statusCode < 500) return noSuchPage(reply);
    const { kind, code } = failureOf(error);
    log.error({ route: request.routeOptions.url, code }, 'a request failed');
    if (kind !== 'permanent') return busy(reply);
    return failed(reply);
  });
  closeAfterLastAnswer(app);
  measureRequests(app, dockerflow.metrics);
  if (db !== null) void app.register(contactRoutes, { prefix: '/contacts', db, mayRead, maxLookUps });
  void app.register(dockerflowRoutes, dockerflow);
  return app;
}

/** A client keeps the connection of an answer that it awaited during the close: without this, the close would wait for it. */
function closeAfterLastAnswer(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
}

/** Status lines for input that Node cannot parse as a request. */
const CLIENT_ERRORS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
