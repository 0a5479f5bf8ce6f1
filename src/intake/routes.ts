/** The part `intake`: publishes messages that are sent over HTTP. It never touches the database. */
import type { FastifyInstance } from 'fastify';
import type { RequireScope } from '../http/authorise';
import { type AccountRouteOptions, accountRoute } from './account';
import { type NewsletterRouteOptions, newsletterRoute } from './newsletter';

export interface IntakeOptions extends Omit<NewsletterRouteOptions, 'requireScope'> {
  /** Null if no account provider is configured: then tokens are not accepted. */
  accounts: Pick<AccountRouteOptions, 'expected' | 'keys'> | null;
}

/** Adds the endpoints to the HTTP server. */
export const intakeRoutes =
  ({ accounts, ...options }: IntakeOptions) =>
  (app: FastifyInstance, requireScope: RequireScope): void => {
    void app.register(newsletterRoute, { prefix: '/events', requireScope, ...options });
    if (accounts) {
      const { publisher, metrics, log } = options;
      void app.register(accountRoute, { prefix: '/events', publisher, metrics, log, ...accounts });
    }
  };
