import type { Logger } from 'pino';
import type { ConfigFor, ServiceConfig } from '../config';
import type { Health } from '../observability/health';
import type { Metrics } from '../observability/metrics';
import type { Database, DatabaseOptions } from '../postgres/database';
import type { Part } from './parts';

type ServerVariables = keyof ConfigFor<'broker' | 'database'>;
/** The URLs are optional here, because not every part needs both servers. */
export type StartConfig = Omit<ServiceConfig, ServerVariables> & Partial<Pick<ServiceConfig, ServerVariables>>;

/** What the parts of a process share. */
export interface Wiring {
  only: readonly Part[];
  health: Health;
  metrics: Metrics;
  log: Logger;
  /** Opens a pool of connections that is closed with the process. */
  open(settings: Omit<DatabaseOptions, 'url'>): Database;
  /** What must be closed, in reverse order. */
  closing: (() => Promise<unknown>)[];
}
