/** The HTTP server of the console: who may use it, what every answer has, and the sections. */
import { randomBytes } from 'node:crypto';
import cookie from '@fastify/cookie';
import csrf from '@fastify/csrf-protection';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { OperatorError } from '../foundation/operator-error';
import { connectionProblem, failureOf } from '../postgres/errors';
import { type Access, isForConsole, recognise } from './access';
import { auditRoutes } from './audit/routes';
import { collisionRoutes } from './collisions/routes';
import { deadLetterRoutes } from './dead-letters/routes';
import { ASSETS } from './frame/assets';
import type { ConsoleContext } from './frame/context';
import { BadForm } from './frame/forms';
import { NotNow } from './frame/not-now';
import { type PageProps, Problem, renderPage } from './frame/page';
import { healthRoutes } from './health/routes';
import { mergeRoutes } from './merges/routes';
import { privacyRoutes } from './privacy/routes';
import { readerRoutes } from './readers/routes';
import { signInRoutes } from './sign-in';

declare module 'fastify' {
  interface FastifyReply {
    /** Answers a page. */
    page(props: PageProps & { status?: number }): FastifyReply;
  }
}

/** Forms have a few lines of text. */
const MAX_BODY_BYTES = 64 * 1024;
const YEAR_SECONDS = 31_536_000;

export function makeConsole(context: ConsoleContext, access: Access): FastifyInstance {
  const { log } = context;
  const secure = access.origin?.startsWith('https:') ?? false;
  // Lax, not strict: a link in a ticket must find the session. Forms have a token of their own.
  const cookies = { path: '/', httpOnly: true, sameSite: 'lax', secure, signed: true } as const;
  const app = fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true });
  app.decorateRequest('operator', null);
  app.decorateRequest('hasSession', false);
  app.decorateReply('page', page);
  void app.register(cookie, { secret: randomBytes(32).toString('hex'), parseOptions: cookies });
  void app.register(csrf, { sessionPlugin: '@fastify/cookie', cookieOpts: cookies });
  void app.register(formbody);
  void app.register(rateLimit, { global: false });
  void app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'], // the arrows and ticks of the style sheet
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    strictTransportSecurity: secure,
    referrerPolicy: { policy: 'no-referrer' },
  });

  app.addHook('onRequest', async (request, reply) => {
    if (!isForConsole(request, access)) return reply.code(421).type('text/plain').send(WRONG_HOST);
    reply.header('cache-control', 'no-store');
    recognise(request, access);
    if (request.operator !== null || isOpen(request.url)) return undefined;
    const to = request.method === 'GET' ? `?to=${encodeURIComponent(request.url)}` : '';
    return reply.redirect(`/sign-in${to}`, 303);
  });
  app.addHook('preHandler', (request, reply, done) =>
    request.method === 'POST' ? app.csrfProtection(request, reply, done) : done(),
  );
  app.setNotFoundHandler((_request, reply) => problemPage(reply, 404, 'Not found', 'This page does not exist.'));
  app.setErrorHandler((error: { statusCode?: number; code?: string }, request, reply) => {
    if (error instanceof BadForm) return problemPage(reply, 400, 'Not done', error.message);
    if (error instanceof NotNow) return problemPage(reply, 503, 'Not now', error.message);
    if (error instanceof OperatorError) return problemPage(reply, 409, 'Not done', error.message);
    const { statusCode = 500, code = '' } = error;
    if (code.startsWith('FST_CSRF_')) return problemPage(reply, 403, 'Not done', EXPIRED);
    if (statusCode === 429) return problemPage(reply, 429, 'Too many attempts', 'Wait a minute, then sign in again.');
    if (statusCode < 500) return problemPage(reply, statusCode, 'Not done', 'The console cannot read this request.');
    const failure = failureOf(error);
    log.error({ route: request.routeOptions.url, code: failure.code }, 'console: request failed');
    if (failure.kind === 'permanent')
      return problemPage(reply, 500, 'Something went wrong', `${FAILED} (${failure.code})`);
    const why =
      failure.kind === 'down' ? connectionProblem(error) : 'The database is busy. Nothing was changed: try again.';
    return problemPage(reply, 503, 'Not now', why);
  });

  void app.register(async (pages) => {
    await signInRoutes(pages, access);
    for (const { url, type, content } of Object.values(ASSETS)) {
      pages.get(url, (_request, reply) =>
        reply.header('cache-control', `public, max-age=${YEAR_SECONDS}, immutable`).type(type).send(content),
      );
    }
    for (const section of SECTIONS) await section(pages, context);
  });
  return app;
}

const SECTIONS = [
  readerRoutes,
  privacyRoutes,
  mergeRoutes,
  collisionRoutes,
  deadLetterRoutes,
  healthRoutes,
  auditRoutes,
];

const WRONG_HOST =
  'The console does not answer under this name. Behind a proxy, set CONSOLE_ORIGIN to what the browser shows.\n';
const EXPIRED = 'This form is no longer valid. Nothing was changed: go back, reload the page, and send it again.';
const FAILED = 'The console could not show this page. The log says where it failed';

/** What may be asked for without being signed in. */
const isOpen = (url: string): boolean => /^\/(sign-in(\?|$)|assets\/)/.test(url);

function page(this: FastifyReply, { status = 200, ...props }: PageProps & { status?: number }): FastifyReply {
  const { operator, hasSession, url } = this.request;
  const path = url.split('?')[0] as string;
  const visit = { operator, canSignOut: hasSession, csrfToken: this.generateCsrf(), path };
  return this.code(status).type('text/html; charset=utf-8').send(renderPage(visit, props));
}

const problemPage = (reply: FastifyReply, status: number, title: string, problem: string): FastifyReply =>
  reply.page({
    status,
    title,
    children: <Problem>{problem}</Problem>,
  });
