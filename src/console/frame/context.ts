/** What the pages of the console work with: the database, the broker, and the options of the service. */
import type { Logger } from 'pino';
import type { ApplyOptions } from '../../ingest/apply/transaction';
import type { Broker } from '../../operations/servers';
import type { Database } from '../../postgres/database';

export interface ConsoleContext {
  db: Database;
  /** Connects to the broker for one piece of work; null if no broker is configured. */
  withBroker: (<T>(work: (broker: Broker) => Promise<T>) => Promise<T>) | null;
  /** How the service merges. */
  apply: ApplyOptions;
  /** The key of erasures, and the file outside the database that lists them; null if not set. */
  erasureKey: string | null;
  erasureList: string | null;
  log: Logger;
}
