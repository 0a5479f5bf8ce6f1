import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { Database } from '../postgres/database';
import { failureOf } from '../postgres/errors';
import { FAILED, JSON_TYPE, NO_SUCH_PAGE } from './answers';
import { bearerCheck } from './authorise';
import { busy, contactRoutes, refuse, unknown } from './contacts';
import { type DockerflowOptions, dockerflowRoutes } from './dockerflow';
import { measureRequests } from './measure';

export interface ServerOptions extends DockerflowOptions {
  db: Database;
  log: Logger;
  /** What readers of contacts send as bearer token; null only where nobody else can reach the server. */
  apiKey: string | null;
  /** Look-ups at once. More are answered 503. @default what four connections to the database do well within a second */
  maxLookUps?: number;
}

/** Longer than any statement may take, so that a slow answer is not cut off. */
const IDLE_MS = 40_000;
/** For a client to send its request, which has no body. */
const REQUEST_MS = 10_000;
/** A percent-encoded address as typed at its longest; a longer one is unknown. */
const MAX_KEY = 1_600;
/** Path and headers; more is answered 431. A reader sends a key and a bearer token. */
const MAX_HEADER_BYTES = 8_192;
/** Open at once; Node ends more of them unanswered. Far above what a front end keeps open: it bounds the memory. */
const MAX_CONNECTIONS = 1_000;
const MAX_LOOK_UPS = 100;

/**
 * The HTTP server: look-ups of contacts, health, metrics. Read-only; whatever else is asked for is not found.
 *
 * Paths hold addresses and tokens, so Fastify has no logger: the one line written here names the route's pattern.
 * After `listen`, `close()` lets running requests finish and refuses new ones with 503.
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
    // A path that cannot be decoded, before any route is found: answered as the route would answer any other such key.
    frameworkErrors: (_error, request, raw) => {
      const reply = raw as FastifyReply;
      if (!request.raw.url?.startsWith('/contacts/')) return void noSuchPage(reply);
      void (mayRead(request.headers.authorization) ? unknown(reply) : refuse(reply));
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
    // A body that is too large or of an unknown type, for a route that there is not.
    if (error.statusCode !== undefined && error.statusCode < 500) return noSuchPage(reply);
    const { kind, code } = failureOf(error);
    log.error({ route: request.routeOptions.url, code }, 'a request failed');
    if (kind !== 'permanent') return busy(reply);
    return reply.code(500).type(JSON_TYPE).send(FAILED);
  });
  measureRequests(app, dockerflow.metrics);
  void app.register(contactRoutes, { prefix: '/contacts', db, mayRead, maxLookUps });
  void app.register(dockerflowRoutes, dockerflow);
  return app;
}

/** What Node cannot make a request of. */
const CLIENT_ERRORS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

const noSuchPage = (reply: FastifyReply) => reply.code(404).type(JSON_TYPE).send(NO_SUCH_PAGE);
