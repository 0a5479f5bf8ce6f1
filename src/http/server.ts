import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { Database } from '../store/database';
import { failureOf } from '../store/failure';
import { FAILED, JSON_TYPE, NO_SUCH_PAGE, USER_NOT_FOUND } from './answers';
import { contactRoutes } from './contacts';
import { type DockerflowOptions, dockerflowRoutes } from './dockerflow';
import { measureRequests } from './measure';

export interface ServerOptions extends DockerflowOptions {
  db: Database;
  log: Logger;
  /** What readers of contacts send as bearer token; null only where nobody else can reach the server. */
  apiKey: string | null;
}

/** Longer than any statement may take, so that a slow answer is not cut off. */
const IDLE_MS = 40_000;
/** For a client to send its request, which has no body. */
const REQUEST_MS = 10_000;
/** A percent-encoded address as typed at its longest; a longer one is unknown. */
const MAX_KEY = 1_600;

/**
 * The HTTP server: look-ups of contacts, health, metrics. Read-only; whatever else is asked for is not found.
 *
 * Paths hold addresses and tokens, so Fastify has no logger: the one line written here names the route's pattern.
 * After `listen`, `close()` lets running requests finish and refuses new ones with 503.
 */
export function makeServer({ db, log, apiKey, ...dockerflow }: ServerOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: 1_024,
    connectionTimeout: IDLE_MS,
    requestTimeout: REQUEST_MS,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_KEY },
    // A path that cannot be decoded, before any route is found. Nobody has such a key, whoever asks.
    frameworkErrors: (_error, request, reply) => {
      const answer = request.raw.url?.startsWith('/contacts/') ? USER_NOT_FOUND : NO_SUCH_PAGE;
      void (reply as FastifyReply).code(404).type(JSON_TYPE).send(answer);
    },
    clientErrorHandler: (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    },
  });
  app.setNotFoundHandler((_request, reply) => noSuchPage(reply));
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    // A body that is too large or of an unknown type, for a route that there is not.
    if (error.statusCode !== undefined && error.statusCode < 500) return noSuchPage(reply);
    log.error({ route: request.routeOptions.url, code: failureOf(error).code }, 'a request failed');
    return reply.code(500).type(JSON_TYPE).send(FAILED);
  });
  measureRequests(app, dockerflow.metrics);
  void app.register(contactRoutes, { prefix: '/contacts', db, apiKey });
  void app.register(dockerflowRoutes, dockerflow);
  return app;
}

const noSuchPage = (reply: FastifyReply) => reply.code(404).type(JSON_TYPE).send(NO_SUCH_PAGE);
